"""Phrases of agents, by what they do: the patterns `envsim.user.understand` reads with.

Written from what customer service agents, people and models alike, actually write; each is matched against one
sentence, in lower case with plain quotes.
"""

from __future__ import annotations

import re

from envsim.user.words import word_set


def _any(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(parts))


_SOFT = r"(?:also |just |please |kindly |first |then |still |quickly |go ahead and |maybe )*"
_TELL = (
    r"(?:provide|share|tell|give|send|state|specify|enter|supply|confirm|verify|let me know|let us know|type|"
    r"reply with|"
    r"remind|indicate|say|include|list|clarify|read out|resend|repeat)"
)

REQUEST = _any(
    rf"\b(?:please|kindly) {_SOFT}{_TELL}\b",
    rf"\b(?:could|can|would|will) you {_SOFT}(?:be able to |be so kind as to )?{_TELL}\b",
    r"\bmind (?:me asking|(?:giving|telling|sharing|providing|sending|confirming|stating|letting me)\b)",
    r"\b(?:let|help) me (?:have|with|out with)\b",
    rf"\bwould it be (?:possible|ok|okay|all right|alright|too much trouble) "
    rf"(?:for (?:me|us|you) )?to (?:get|have|{_TELL})\b",
    r"(?:[,:] |\b(?:and|then|just|simply|also|need to|have to|you to) )"
    r"(?:tell|give|send) (?:me|us) (?:your|the|which|what)\b",
    r"(?:^|: )(?:and )?(?:your|the) (?=.*\bplease[.!?]*$)|^(?=(?:[\w-]+ ){0,3}[\w-]+, please[.!?]*$)",
    rf"^{_SOFT}{_TELL} (?:me |us )?(?:with )?(?:your|the|me|us|a|which|what)\b",
    r"\b(?:may|can|could|might) i (?:please )?(?:have|get|ask|know|grab|take)\b",
    rf"\b(?:i|we)(?:'ll| will| would|'d|'m| am|'re| are)? {_SOFT}(?:going to |have to |must |need to )?"
    rf"(?:need|require|like to (?:know|have)|missing|ask (?:you )?for)\b",
    r"\b(?:is|are) (?:still )?(?:needed|required|missing)\b",
    r"(?:\bwhat\b|(?<!, )\bwhich\b|\bwhich\b(?=.*\?))(?:'s| is| are| was| were)?",
    r"\b(?:where|when|who|why|how (?:much|many|long|old|would|should|do|did|is))\b(?=.*\?)",
    r"\bdo you (?:happen to )?(?:have|know|remember|recall)\b",
    r"\b(?:need|requires?) your\b",
    r"\bgo ahead and (?:share|give|send|tell)\b",
)
"""Something is asked for; what, stands behind the match."""

NO_REQUEST = _any(
    r"\b(?:don't|do not|won't|will not|no longer|doesn't|not) (?:need|require|ask|have to|be needing)\b",
    r"\bno need\b",
    r"\bnot (?:needed|required|necessary)\b",
    r"\bnever (?:share|give|ask|send)\b",
    r"\blet me know if\b",
    r"\bif you (?:need|have|want|would|could)\b",
    r"\b(?:that|this|it) is what\b",
)

WISH = re.compile(
    r"\b(?:please|kindly)\b|\b(?:would|'d|will) (?:really |also |certainly )?(?:help|do|be (?:\w+ )?(?:helpful|great|"
    r"useful|handy|good|perfect|lovely|enough))\b|\bhelps\b|^(?:\w+, )?(?:and |then |next |now |just |first |only )+"
    r"(?:your|the)\b|^(?:drop|pop|put|type|write|quote|paste|pass|forward|mention|leave|read|fill|name)\b"
)
"""An assertion that may ask for what it names, where no other cue says what it does."""

NO_MENTION = _any(
    r"\b(?:please|kindly|and) (?:note|print|pack|attach|allow|ensure|make sure|use|open|go|visit|click|follow|see|save|"
    r"return|ship|bring|hand|update|change|remember|look|wrap|put|stick)\b|\bkeep\b|\bmust\b",
    r"\b(?:i|we)(?:'ve|'ll|'m|'re| have| had| will| am| are| was| were| found| see| sent| use| verify|"
    r" ask| only| always)\b",
    r"\b(?:did|have|has|do) (?:you|it|they|the \w+|your \w+)\b(?! have\b)",
    r"\b(?:receiv\w+|inbox|sent|wait(?:ing)?|check(?:ing)?|customers?|polic(?:y|ies)|rules?|thanks?|thank you)\b",
    r"\b(?:has|have|had|was|were) (?:\w+ )?\w+(?:ed|en)\b",
)
"""What names facts and asks for none: reports, plans, recitals, and questions about what arrived."""

PURPOSE = re.compile(
    r"\b(?:so (?:that )?(?:i|we)\b|in order (?:to|for)\b|to (?:help|verify|look|locate|find|proceed|process|"
    r"assist|continue|"
    r"complete|check|pull|access|identify|get started|begin|make sure|confirm)\b|before (?:i|we)\b|"
    r"for (?:verification|security)|because\b|as (?:i|we|it)\b|associated with|linked to|on file|under which|"
    r"registered(?= (?:to|with|under|for|on|in|at|by)\b|[^\w ]|$)|"
    r"you (?:used|placed|want|wish|would)|that (?:is|was|belongs)\b|which (?:is|was)\b|i can\b|tied to|belonging to)"
)
"""Where a request stops naming what it asks for, and says what for."""

CONFIRM = _any(
    r"\b(?:shall|should|may|can|could) (?:i|we) (?:please )?(?:go ahead|proceed|continue|do (?:this|that|so)|"
    r"cancel|refund|"
    r"return|exchange|book|order|place|process|apply|submit|change|update|issue|create|send|charge|make|complete|"
    r"reset|"
    r"start|confirm|finali[sz]e|schedule|add|remove|set|ship|transfer|put|open|use|switch|replace|enable|disable)\b",
    r"\b(?:shall|should) (?:i|we)\b",
    r"\bwould you like (?:me|us) to\b",
    r"\b(?:do|would) you want (?:me|us) to\b",
    r"\bwould you like to (?:proceed|continue|go ahead|confirm|move forward|go with)\b",
    r"\bwould you like\b(?! (?:me|us)?\s?to (?:know|tell))(?=.*\?)",
    r"\b(?:do|can|could|would) you (?:please )?(?:confirm|agree|approve|accept)\b(?=.*\?)",
    r"\b(?:please|kindly) (?:confirm|approve)\b",
    r"\b(?:is|does|would|are|do) (?:that|this|it|these|those|everything|all)"
    r"[\w ]{0,30}\b(?:correct|right|okay|ok|fine|good|accurate|work|acceptable|alright|suit)\b",
    r"\b(?:reply|answer|respond|say|type)(?: with)? [\"']?(?:yes|confirm)\b",
    r"\bare you (?:sure|okay|ok|happy|fine)\b",
    r"^(?:ok|okay|correct|right|proceed|sound good|agreed|confirm|all good)\s?\?",
    r"\b(?:right|correct|ok|okay)\?$",
    r"\bready to (?:proceed|go ahead|confirm)\b(?=.*\?)",
    r"\bdo you (?:want|wish) to (?:proceed|continue|go ahead)\b",
    r"\byour (?:confirmation|approval|go-ahead|consent|permission)\b",
    r"\blet me know (?:if|whether) (?:you(?:'d| would)? (?:like|want) (?:me|us) to|(?:i|we) (?:should|may|can)\b)",
    r"\b(?:ready|happy|okay|ok|fine|want|alright) (?:for )?(?:me|us) to\b(?=.*\?)",
    r"\bis (?:this|that) (?:what|something) you\b",
    r"\b(?:is|are|would) (?:this|that|it|these|they)(?: be)? (?:within|in|inside|under) your\b",
    r"\b(?:ok|okay|fine|alright|good) (?:with|by|for) you\b(?=.*\?)",
    r"\bhow (?:does|would) (?:that|this|it) sound\b",
    r"\b(?:does|would) (?:that|this|it) (?:fit|suit|meet|match)\b(?=.*\?)",
    r"\b(?:once|if|when|as soon as|after) you (?:confirm|agree|approve|say yes|say so)[.!]*$",
    r"\bproceed\?$",
    r"\(yes/no\)",
    r"\byes or no\b",
)
"""A yes or no is wanted."""

EXTRA = re.compile(
    r"\b(?:also like|add(?:ing)? (?:a|an|the|our)|additional(?:ly)?|extra|alternatively|upgrade|rather|offer you|"
    r"callback|call you back)\b"
)
"""What may make a proposal another than the user's own wish, where it has no words of that."""

OTHER = re.compile(
    r"\b(?P<what>insurance|transfer(?:red|ring)?|connect you|speak (?:with|to)|human|instead|explore|(?:look|"
    r"search) for other|other options?|"
    r"subscribe|newsletter|warranty|protection|store credit|gift cards?|voucher|sign(?:ed)? up|membership|survey)\b"
)
"""What makes a proposal another than the user's own wish."""

_ADV = r"(?:now |already |just |also |successfully |since |both |all )*"
_DEED_DONE = (
    r"(?:\w+(?:ed|en)|sent|resent|put|set|reset|made|done|redone|undone|paid|begun|withdrawn|built|cut|run|brought|"
    r"successful|complete|live)\b"
)
"""A participle, or what stands for one: "I have to ask" and "it has been my pleasure" report nothing."""
CLAIM = _any(
    rf"\b(?:has|have|had|'s|'ve) {_ADV}been {_ADV}(?P<a>{_DEED_DONE})",
    rf"\b(?:i|we)(?:'ve| have) {_ADV}(?:gone ahead and )?{_ADV}(?P<b>{_DEED_DONE})",
    r"\b(?:has|have) (?:now |just )?(?P<l>gone through|taken effect)\b",
    r"\b(?:is|are|was|were) (?:now |already |successfully |all )+(?P<c>\w+)",
    r"\bsuccessfully (?P<d>\w+)",
    r"\bwas (?P<i>\w+ed)\b",
    r"\b(?:i|we) (?:just |now |went ahead and )?(?P<e>(?!need)\w{3,}ed|sent|put|set|made|did|took)\b",
    r"^(?P<f>[a-z]+ed)(?=[.!,:]|$| (?:your|the|an?|it|that|this|one|order|to|for (?!the))\b| \W?\d)",
    r"\b(?:all|it's|it is|that's|that is|is|are|now|everything is) (?P<g>done|complete|completed|set|sorted|"
    r"settled|fixed|ready|on (?:its|the) way)\b",
    r"\b(?P<h>taken care of|done)[.!]*$",
    r"^done\b(?P<j>)",
    r"\b(?:is|are|was) (?P<k>complete|confirmed|successful)\b",
)
"""Something was done; the group is what."""

NOT_DEEDS = word_set(
    "found located verified checked looked seen noted received pulled reviewed identified understood got read "
    "heard tried attempted failed wanted needed asked listed mentioned noticed waited confirmed opened retrieved "
    "accessed searched logged examined considered explained provided shared told informed apologized apologised "
    "unable able sorry happy glad afraid here trouble any no not a an the in on at your used based interested "
    "required designed delivered shipped placed purchased bought ordered requested selected chosen associated "
    "registered limited allowed supposed concerned related needed detailed expired made thank thanked included"
)
"""Participles in reports that close nothing by themselves; they count where an item names them."""

SET_UP = word_set("opened registered confirmed logged")
"""Of these, those that do close what is named with them: an opened return is one, an opened order was only read."""

ABOUT_IT = re.compile(r"\b(?:complaints?|feedback|notes?|tickets?|concerns?|issues?|case|logged (?:in|on|into|out))\b")
"""What is opened or logged about a thing instead of the thing."""

HEDGE = re.compile(
    r"\b(?:once|when|whenever|after|until|unless|if|before|as soon as|will|would|should|could|can|shall|going to|"
    r"about to|"
    r"let me|yet|try(?:ing)?|want(?:s|ed)?|need(?:s)?|may|might|must|to be|please|whether|assuming|while|that i|"
    r"eligible|"
    r"what|which|ensure|make sure|notes? (?:that|saying)|saying|'ll)\b|'ll\b"
)
NEGATION = re.compile(
    r"n't\b|\b(?:not|never|cannot|unable|no|none|neither|nor|without|nothing|fail(?:ed|s)?|hardly|isnt|wasnt|"
    r"havent|hasnt|"
    r"incorrectly|only partially|almost|nearly)\b"
)

REFUSE = _any(
    r"\b(?:cannot|can't|can not|could not|couldn't|unable to|not able to|won't|will not|not possible|impossible|"
    r"ineligible|"
    r"non-?refundable|non-?returnable)\b",
    r"(?:\bnot|n't) (?:be )?(?:eligible|allowed|permitted|possible|refundable|returnable|cancell?able|exchangeable|"
    r"qualify|something (?:i|we) can)\b",
    r"\b(?:window|period|deadline)\b(?:[\w -]{0,40}? )?(?:has|have|is|was)(?: now| already)? "
    r"(?:passed|expired|closed|over|ended|lapsed)\b",
    r"\btoo late\b",
    r"\bonly (?:be )?(?:accepted|possible|allowed|available|offered)\b",
    r"\b(?:against|violates?|outside|beyond) (?:of )?(?:the |our |store |company |airline )*"
    r"(?:[\w-]+ ){0,2}(?:polic(?:y|"
    r"ies)|window|period|rules?)\b",
    r"\bpolic(?:y|ies) (?:does not|doesn't|do not|don't|prohibits?|prevents?|forbids?)\b",
    r"\b(?:have to|must|need to) (?:decline|refuse|deny)\b",
    r"\b(?:decline|refuse|deny|rejected|declined|denied)\b",
    r"\b(?:don't|do not|doesn't|does not) (?:offer|allow|support|permit|provide|accept|qualify)\b",
    r"\bno (?:longer|way) (?:\w+ ){0,3}(?:to|cancel\w*|return\w*|refund\w*|exchang\w*|chang\w*|modif\w*|possible|"
    r"available)\b",
    r"\bthere(?:'s| is) nothing\b",
    r"\bwe (?:don't|do not) (?:do|take|process|give) (?!this|us\b)(?:any )?[\w-]+s\b",
    r"\bpast the\b[\w -]*\b(?:window|period|deadline)\b",
)
BLOCKED = re.compile(
    r"\b(?:until|unless (?:you|i|we)|before (?:you|i|we)|yet|without (?:your|you|first|verif\w+|knowing|"
    r"confirm\w+|that|more|further|"
    r"additional)|without the (?=[\w ]*(?:number|id|code|address|name|information|details)\b))\b"
)
"""Turns a refusal into a condition."""

NOT_FOUND = _any(
    r"(?:cannot|can't|could ?n[o']t|could not|unable to|not able to|didn't|did not|don't|do not|"
    r"wasn't able to) (?:seem to )?"
    r"(?:\w+ ){0,1}(?:find|locate|match|see|identify|recogni[sz]e)\b",
    r"\bno (?:[\w-]+ ){0,3}(?:found|match(?:es|ing)?|exists?|record|results?)\b",
    r"\bno (?:account|order|customer|profile|purchase)s? (?:[\w-]+ ){0,2}?(?:with|under|for|by|associated)\b",
    r"\b(?:came|comes|come|coming) (?:back )?(?:up )?empty\b|\bnothing (?:comes|came|is coming|shows) up\b",
    r"(?:\bnot|n't) (?:\w+ ){0,2}"
    r"(?:found|match|valid|exist|recogni[sz]ed|correct|on file|in (?:our|the) (?:system|records?))\b",
    r"\b(?:invalid|incorrect|mistyped|typo|mismatch)\b",
    r"\b(?:double|re)-?check\b",
    r"\bcheck (?:it|that|the \w+|your \w+) again\b",
    r"\bnot (?:finding|seeing|locating|getting)\b",
    r"\bnothing (?:under|for|with|matches)\b",
    r"\bis (?:the|that|your) [\w ]+ (?:right|correct)\?",
    r"\bare you sure\b",
)

UNVERIFIED = _any(
    r"\b(?:unable to|cannot|can't|couldn't|could not|not able to|failed to)(?: \w+)? (?:verify|authenticate|"
    r"confirm your identity)\b",
    r"\bverification (?:has )?failed\b",
    r"\b(?:do|does)(?: not|n't) match (?:our|the|what)\b",
)
VERIFIED = _any(
    r"\b(?:thank you|thanks) for (?:verifying|confirming (?:your|that) identity|the verification)\b",
    r"\byou(?:'re| are| have been|'ve been) (?:now |all |successfully |fully )*(?:verified|authenticated|"
    r"identified)\b",
    r"\b(?:identity|account|profile) (?:has been |is |was )?(?:now |successfully )*(?:confirmed|verified|"
    r"authenticated)\b",
    r"\b(?:verified|confirmed|authenticated) (?:you\b|your (?:identity|account|details))",
    r"\bverification (?:is |was |has been )?(?:successful|complete|completed|done|passed)\b",
    r"\bable to (?:verify|authenticate|identify) (?:you\b|your )|\b(?:that|it|everything) checks out\b",
)
FAILED = _any(
    r"\b(?:technical|system|unexpected) (?:issue|problem|error|difficult\w*|glitch)\b",
    r"\bsomething went wrong\b",
    r"\b(?:an|the|another|some) error\b",
    r"\berror occurred\b",
    r"\b(?:attempt|request|payment|update|it|this|that) (?:has )?failed\b",
    r"\bd(?:id not|idn't) (?:work|go through|succeed)\b",
    r"\b(?:try|trying) (?:\w+ ){0,2}again\b",
    r"\btimed out\b",
    r"\btemporarily unavailable\b",
    r"\bnot (?:been )?(?:yet |actually )?(?:completed|cancelled|canceled|processed|done|refunded|updated)\b",
)
WAIT = _any(
    r"\b(?:one|just a|a) (?:moment|second|minute|sec)\b(?! ago\b)",
    r"\bhold on\b",
    r"\bbear with me\b",
    r"\bplease (?:wait|hold)\b",
    r"\b(?:let me|i'll|i will|i'm going to|allow me to|i am|i'm) (?:now |quickly |just |"
    r"go ahead and )*(?:check\w*|look\w*|pull\w*|see|find|review\w*|search\w*|retriev\w*|verify\w*|process\w*|"
    r"work\w*|proceed\w*|cancel\w*|investigat\w*)\b",
    r"\bgive me a\b",
    r"\bhang on\b",
)
MORE = _any(
    r"\b(?:anything|what) else\b|\bsomething else\b(?=.*\?)",
    r"\b(?:further|any other|more|additional) (?:questions?|assistance|help|requests?|concerns?|issues?)\b",
    r"\belse (?:i|we) can\b",
    r"\banything (?:more|further)\b",
    r"\b(?:is|was|will) (?:that|this)(?: be)? (?:all|everything)\b(?! (?:correct|right|okay|ok|fine))(?=.*\?)",
    r"\bcan i help (?:you )?with anything\b",
)
HELP = _any(
    r"\bhow (?:can|may|could|might) (?:i|we) (?:be of )?(?:help|assist|service|support)\b",
    r"\bwhat can (?:i|we) do for you\b",
    r"\bwhat (?:would you like|do you (?:want|need)|are you looking|brings you|seems to be|is (?:this|"
    r"it) (?:about|regarding)|happened|is the (?:issue|problem|matter))\b",
    r"\b(?:describe|explain|elaborate|tell me (?:more|about|what)|more (?:details?|information)|give me (?:more|"
    r"some) (?:details?|information))\b",
    r"\bhow can i\b",
    r"\bwhat (?:specific |kind of |exactly )*(?:assistance|help|information)? ?you(?:'d| would)? (?:need|want|like)\b",
    r"\btake your time\b",
    r"\bwhenever you(?:'re| are) ready\b",
    r"\b(?:happy|here|glad|ready) (?:whenever|to (?:help|assist))\b",
    r"\blet me know (?:how|when|once)\b",
    r"\bwhat'?s (?:the (?:issue|problem|matter)|going on|wrong|up)\b",
    r"\b(?:what|how) (?:exactly )?(?:would|do) you (?:like|want)\b",
)
TRANSFER = re.compile(
    r"\b(?:transferr?(?:ed|ing)?|connect(?:ed|ing)?|escalat(?:e|ed|ing)|hand(?:ed|ing)? (?:you )?over|"
    r"forward(?:ed|ing)?|redirect(?:ed|ing)?)\b"
    r"[\w ,']{0,40}\b(?:human|agents?|specialists?|representatives?|colleagues?|supervisors?|manager|team|"
    r"department|someone)\b"
)
GREET = re.compile(r"^(?:hi|hello|hey|good (?:morning|afternoon|evening|day)|welcome|greetings)\b")
BYE = re.compile(
    r"\b(?:goodbye|bye|have a (?:great|nice|good|wonderful|lovely|pleasant) (?:day|one|evening|time|weekend)|"
    r"take care(?! of)|see you)\b"
)
THANKS = re.compile(r"\b(?:thank you|thanks|thx|appreciate)\b")
SORRY = re.compile(r"\b(?:sorry|apologi[sz]e|apologies|regret|unfortunately|afraid)\b")
OPEN_QUESTION = re.compile(r"\?[\"')]*$")
GENERIC = word_set(
    "done complete completed processed set sorted resolved settled finished finalized finalised handled "
    "successful taken "
    "submitted actioned executed confirmed through gone ready"
)
"""Deeds that say of no item in particular that it is done."""

VAGUE = re.compile(
    r"\b(?:that|this|it|so|request|assist|help|anything|nothing|do|possible|eligible|allowed|way|exceptions?)\b"
)
"""A refusal with one of these refuses what is being talked about."""

TURN = re.compile(r" but |: | - |, (?=(?:so |please |kindly |you |you'll |could |can |just ))")
"""Where a sentence may turn from what the agent cannot do to what the user can."""
CHOICE = re.compile(r"\bor\b(?! (?:not|no|need|would|is|do|should|if|any|anything|otherwise|more|less|so)\b)")
WHICH = re.compile(
    r"\bconfirm (?:which|what|how|where|when|who)\b|"
    r"\bconfirm (?:whether|if) (?!you|i |we |this|that|these|those|everything|all\b)|"
    r"\b(?:which|what) [\w ]*\bwould you like\b|^(?:which|what)\b"
)
CONDITION = re.compile(r"^(?:[\w ]{0,12}, )?(?:if|once|when|whenever|should|in case|as soon as|after)\b")

AND_TELL = re.compile(
    r"\band (?:then |please |also )*(?:tell|let me know|let us know|share|send|give|read|provide|confirm|reply|say)\b"
)
"""Where a sentence turns from what the user is to do to what it is to tell afterwards."""
TELL_ME = re.compile(
    r"\b(?:please |kindly |(?:could|can|would|will) you )(?:please |also |just )*"
    r"(?:tell me|let me know|confirm|say|share) (?:which|what|whether|if|how many|how much|when|where)\b.*"
)
"""Asks for something to be told, whatever deed it names."""
ALL = re.compile(r"\b(?:all|both|everything|each|every)\b")
_DEED = (
    r"(?:open|go|check|restart|turn|switch|reset|change|update|enter|click|look|toggle|reboot|log|set|unplug|plug|"
    r"press|enable|disable|remove|delete|insert|run|make|accept|grant|select|tap|sign|visit|read|add|put|use|apply|"
    r"submit|request|confirm|hand|drop|save|start|take|choose|cancel)"
)
DO = re.compile(
    r"\b(?:please|kindly|could you|can you|would you|will you|you(?:'ll| will)? (?:can|need to|should|have to|must|may|"
    r"might want to|could)|i(?:'d| would)? (?:need|like|want|ask) you to|try|go ahead|let's|have you|did you)\b|"
    rf"(?:^|,|\b(?:next|first|then|now)) (?:and |then |just |simply )*{_DEED}\b|^(?:just |simply )?{_DEED}\b"
)
"""The user is asked to do something."""
