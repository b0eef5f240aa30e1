"""What runs inside the page: reading its live state, and putting a saved one back."""

from __future__ import annotations

SNAPSHOT = """() => {
  const prefix = 'data-envsim-';
  const root = document.documentElement;
  // An inert document: its images do not load, its custom elements do not run.
  const copy = document.implementation.createHTMLDocument('').importNode(root, true);
  const nodes = [root, ...root.querySelectorAll('*')];
  const copies = [copy, ...copy.querySelectorAll('*')];
  if (root.outerHTML.includes(prefix))
    for (const node of copies)
      for (const name of node.getAttributeNames())
        if (name.startsWith(prefix)) node.removeAttribute(name);
  const unboxed = new Set(['area', 'option', 'optgroup', 'head', 'title', 'base']);
  const acting = new Set(['a', 'area', 'button', 'input', 'select', 'textarea', 'summary', 'option']);
  const gone = new Set();
  nodes.forEach((node, at) => {
    const mark = (name, value) => copies[at].setAttribute(prefix + name, value);
    const tag = node.localName;
    if (acting.has(tag) || node.hasAttribute('role') || node.isContentEditable) mark('index', at);
    if (node.parentElement && gone.has(node.parentElement)) gone.add(node);
    else if (!unboxed.has(tag) && node instanceof HTMLElement) {
      const style = getComputedStyle(node);
      const unseen = style.visibility !== 'visible' && ![...node.querySelectorAll('*')].some(
        inner => getComputedStyle(inner).visibility === 'visible');
      if (style.display === 'none' || unseen) { gone.add(node); mark('hidden', ''); }
    }
    if (tag === 'input') {
      if (node.type === 'checkbox' || node.type === 'radio') {
        if (node.checked !== node.defaultChecked) mark('checked', node.checked ? '1' : '0');
      } else if (node.type !== 'file' && node.value !== node.defaultValue) mark('value', node.value);
    } else if (tag === 'textarea') {
      if (node.value !== node.defaultValue) mark('value', node.value);
    } else if (tag === 'option') {
      if (node.selected) mark('selected', '1');
      else if (node.previousElementSibling === null) mark('selected', '0');
    } else if (tag === 'dialog' && node.open && node.matches(':modal')) mark('modal', '');
    if (node === document.activeElement && tag !== 'body' && tag !== 'html') mark('focused', '');
  });
  return { html: '<!doctype html>' + copy.outerHTML, nodes };
}"""
"""The page as it is at once: its HTML with `envsim.page.dom.LIVE_PREFIX` attributes, and its elements by index.

The page itself is left as it is: the attributes are written into an inert copy.
"""

TURN = "() => new Promise(done => setTimeout(done))"
"""Lets what was set off happen."""

LOADED = """patience => new Promise(done => {
  if (document.readyState === 'complete') setTimeout(done, patience);
  else addEventListener('load', () => setTimeout(done));
})"""
"""Waits until the page has loaded, or for some milliseconds where it has."""

NODE = "(found, at) => found.nodes[at]?.isConnected ? found.nodes[at] : null"
"""The element at an index of what `PROBE` returned, or null if it has left the page."""

RESTORE = """edits => {
  const nodes = [document.documentElement, ...document.documentElement.querySelectorAll('*')];
  for (const [at, live] of edits) {
    const node = nodes[at];
    if (!node) continue;
    if ('value' in live) node.value = live.value;
    if ('checked' in live) node.checked = live.checked === '1';
    if ('selected' in live) node.selected = live.selected === '1';
    if ('open' in live) node.open = live.open === '1';
    if ('focused' in live) node.focus();
  }
}"""
"""Sets the state of elements: a list of ``[index, {value, checked, selected, open, focused}]``."""

SAVE = """() => {
  const nodes = [document.documentElement, ...document.documentElement.querySelectorAll('*')];
  const edits = [];
  nodes.forEach((node, at) => {
    const tag = node.localName, live = {};
    if (tag === 'input' && (node.type === 'checkbox' || node.type === 'radio')) {
      if (node.checked !== node.defaultChecked) live.checked = node.checked ? '1' : '0';
    } else if ((tag === 'input' && node.type !== 'file') || tag === 'textarea') {
      if (node.value !== node.defaultValue) live.value = node.value;
    } else if (tag === 'option') {
      if (node.selected !== node.defaultSelected) live.selected = node.selected ? '1' : '0';
    } else if (tag === 'details' || tag === 'dialog') live.open = node.open ? '1' : '0';
    if (node === document.activeElement && tag !== 'body' && tag !== 'html') live.focused = '';
    if (Object.keys(live).length) edits.push([at, live]);
  });
  return edits;
}"""
"""The counterpart of `RESTORE`."""

POINT = """node => {
  node.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
  const box = [...node.getClientRects()].find(rect => rect.width > 0 && rect.height > 0);
  if (!box) return null;
  const x = box.left + box.width / 2, y = box.top + box.height / 2;
  const hit = document.elementFromPoint(x, y);
  const own = hit && (node.contains(hit) || hit.closest('label')?.control === node);
  return own ? [x, y] : null;
}"""
"""Scrolls an element into view and returns where a click meets it, or null where none would."""

STORED = """name => {
  try { return Object.fromEntries(Object.entries(window[name])); } catch { return {}; }
}"""
"""All of ``localStorage`` or ``sessionStorage``, which pages without an origin do not have."""

STORE = """([name, values]) => {
  try { window[name].clear(); } catch { return; }
  for (const [key, value] of Object.entries(values)) window[name].setItem(key, value);
}"""
"""The counterpart of `STORED`."""

PROBE = f"async () => {{ await ({TURN})(); return {{ ...({SNAPSHOT})(), edits: ({SAVE})() }}; }}"
"""`SNAPSHOT` after a `TURN`, and what `SAVE` gives."""

READ = "found => [found.html, found.edits]"
"""What of `PROBE` leaves the page."""

PLACE = f"(found, at) => {{ const node = ({NODE})(found, at); return node && [({POINT})(node)]; }}"
"""The `POINT` of an element at an index of what `PROBE` returned, in a list; null if it has left the page."""
