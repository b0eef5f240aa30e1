"""What telecom's user can do with its phone, and how an agent asks for it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from envsim.goal import Ability, Item, Look
from envsim.types import JsonValue


def _phrases(verbs: str, things: str) -> tuple[str, ...]:
    """Every way to ask: ``turn off X``, ``turn X off``, ``toggle X``, ..."""
    out: list[str] = []
    for thing in things.split("|"):
        for verb in verbs.split("|"):
            head, _, tail = verb.partition(" ")
            for start in ("", "the ", "your "):
                out += [f"{verb} {start}{thing}"] + ([f"{head} {start}{thing} {tail}"] if tail else [])
    return tuple(out)


_SWITCH = "turn on|turn off|switch on|switch off|toggle|enable|disable|turn back on|deactivate|activate"
_CHECK = "check|look at|open|view|see|tell me|read"

_SIMPLE: dict[str, tuple[str, str]] = {
    "toggle_airplane_mode": (_SWITCH, "airplane mode|aeroplane mode|flight mode"),
    "toggle_data": (_SWITCH, "mobile data|cellular data|data connection"),
    "toggle_roaming": (_SWITCH, "data roaming|roaming"),
    "toggle_data_saver_mode": (_SWITCH, "data saver|data saver mode"),
    "toggle_wifi": (_SWITCH, "wi fi|wifi|wi-fi"),
    "toggle_wifi_calling": (_SWITCH, "wi fi calling|wifi calling|wi-fi calling"),
    "connect_vpn": ("connect|connect to|turn on|enable", "vpn"),
    "disconnect_vpn": ("disconnect|disconnect from|turn off|disable|switch off", "vpn|vpn connection"),
    "reboot_device": ("reboot|restart|power cycle", "phone|device|it"),
    "reseat_sim_card": ("reseat|re seat|re-seat|remove and reinsert|reinsert|take out and reinsert", "sim|sim card"),
    "reset_apn_settings": ("reset", "apn|apn settings|access point settings"),
    "make_payment": ("make|pay|accept|complete", "payment|payment request|bill"),
    "check_payment_request": (_CHECK, "payment request"),
    "check_status_bar": (_CHECK, "status bar"),
    "check_network_status": (_CHECK, "network status|connection status|network connection"),
    "check_network_mode_preference": (_CHECK, "network mode|network mode preference|preferred network"),
    "check_sim_status": (_CHECK, "sim|sim card|sim status|sim card status"),
    "check_data_restriction_status": (_CHECK, "data restriction|data restriction status|data saver status"),
    "check_apn_settings": (_CHECK, "apn|apn settings"),
    "check_wifi_status": (_CHECK, "wi fi status|wifi status|wi-fi status"),
    "check_wifi_calling_status": (_CHECK, "wi fi calling|wifi calling|wi-fi calling"),
    "check_vpn_status": (_CHECK, "vpn|vpn status|vpn connection"),
    "check_installed_apps": (_CHECK, "installed apps|list of apps"),
    "run_speed_test": ("run|do|perform|try", "speed test|a speed test|internet speed test"),
    "can_send_mms": ("try|try to|check if you can|test|see if you can", "send an mms|send mms|sending an mms|mms"),
}
"""Tools without arguments: verbs and things."""

_GRANT = "grant|give|allow|enable|turn on"
_ARGUED: dict[str, tuple[str, dict[str, JsonValue], str, str]] = {
    "set_network_mode": (
        "set_network_mode_preference", {"mode": "4g_5g_preferred"}, "set|change|switch",
        "network mode|network mode preference|preferred network type|network preference|preferred network mode",
    ),
    "grant_storage": (
        "grant_app_permission", {"app_name": "messaging", "permission": "storage"}, _GRANT,
        "storage permission|storage access|messaging app storage permission|messaging app the storage permission",
    ),
    "grant_sms": (
        "grant_app_permission", {"app_name": "messaging", "permission": "sms"}, _GRANT,
        "sms permission|sms access|messaging app sms permission|messaging app the sms permission",
    ),
    "check_messaging_app": (
        "check_app_permissions", {"app_name": "messaging"}, _CHECK,
        "app permissions|messaging app permissions|permissions of the messaging app|permissions",
    ),
}  # fmt: skip
"""Abilities with arguments: tool, arguments, verbs and things. No gold action of tau2's sets another mode."""

ABILITIES: dict[str, Ability] = {
    name: Ability(tool=name, ask=_phrases(*how), report="{result}") for name, how in _SIMPLE.items()
} | {
    name: Ability(tool=tool, arguments=arguments, ask=_phrases(verbs, things), report="{result}")
    for name, (tool, arguments, verbs, things) in _ARGUED.items()
}
"""All of them. A toggle is carried out whenever it is asked for, whatever the present state."""

_REQUESTS = {
    "toggle_airplane_mode": "Please turn off airplane mode.",
    "toggle_data": "Could you turn on mobile data?",
    "toggle_roaming": "Please turn on data roaming.",
    "toggle_data_saver_mode": "Please turn off data saver mode.",
    "toggle_wifi_calling": "Please turn off Wi-Fi calling.",
    "disconnect_vpn": "Please disconnect your VPN.",
    "reboot_device": "Now restart your phone.",
    "reseat_sim_card": "Please reseat your SIM card.",
    "reset_apn_settings": "Please reset your APN settings.",
    "make_payment": "Please make the payment now.",
    "set_network_mode_preference": "Please set the network mode preference to 4G/5G preferred.",
    "grant_app_permission": "Please grant the messaging app the {permission} permission.",
}
"""How an agent asks for each operation that is part of a gold solution."""


def request(tool: str, arguments: Mapping[str, JsonValue]) -> str:
    """What an agent says to have the user carry out an operation of a gold solution."""
    words = _REQUESTS.get(tool, f"Please use {tool.replace('_', ' ')}.")
    return words.format_map({name: str(value) for name, value in arguments.items()})


_WANTS = {
    "mms_issue": "get picture messages (MMS) to work again on my phone",
    "mobile_data_issue": "get my mobile data back to excellent speed",
    "service_issue": "get service on my phone again, it has shown 'No Service' for hours",
}
_CHECKS = {"mms_issue": Look(tool="can_send_mms", equals="Your messaging app can send MMS messages.")}
"""How the user sees that its problem is solved, where one sentence says so."""


def fix_item(tau_id: str, reason: str) -> Item:
    """The one wish of a telecom user: by the issue in tau2's id, else what the scenario gives as reason."""
    match = re.match(r"\[(\w+)\]", tau_id)
    issue = match[1] if match else ""
    return Item(id="fix", want=_WANTS.get(issue, f"get this sorted out: {reason}"), check=_CHECKS.get(issue))
