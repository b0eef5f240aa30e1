"""What runs inside a page that is being recorded: tells of clicks, typing, choices and keys as they happen.

Each message holds the page as it was before the event, so that a ref means what it meant to whoever acted. Listeners
are on the window and in the capture phase: the page can neither stop nor see them before they have run.
"""

from __future__ import annotations

from envsim.page.probe import SNAPSHOT

BINDING = "__envsimRecord"

SCRIPT = """(() => {
  if (window !== window.top) {
    for (const kind of ['click', 'change'])
      window.addEventListener(kind, event => { if (event.isTrusted) window.BINDING({ kind: 'framed' }); }, true);
    return;
  }
  const probe = PROBE;
  const tell = window.BINDING;
  const KEYS = { 'Enter': 'Enter', ' ': 'Space', 'Escape': 'Escape', 'Tab': 'Tab' };
  let before = null;   // the page as it was when the present gesture began
  let typing = null;   // the field that is being typed into
  const told = new WeakMap();   // the value of a field that is known already
  let keyed = 0;       // when a key was told of that sets off a click

  const look = () => { const found = probe(); return { html: found.html, nodes: found.nodes }; };
  const send = (kind, target, more) => {
    const page = before || { ...look(), late: true };
    const path = [];
    for (let node = target; node; node = node.parentElement) path.push(page.nodes.indexOf(node));
    tell({ kind, html: page.html, late: !!page.late, path: path.filter(at => at >= 0), url: location.href,
      named: (target?.innerText || '').trim().slice(0, 80), ...more });
    before = null;
  };
  const isText = node => node instanceof HTMLTextAreaElement || (node instanceof HTMLInputElement &&
    !['checkbox', 'radio', 'submit', 'button', 'reset', 'image', 'file', 'hidden'].includes(node.type));
  const flush = () => {
    if (!typing) return;
    const { node, page } = typing;
    typing = null;
    if (told.get(node) === node.value) return;
    told.set(node, node.value);
    before = page;
    send('fill', node, { value: node.value, secret: node.type === 'password', field: node.name || '',
      after: look().html });
  };
  const type = node => {
    if (typing?.node === node) return;
    flush();
    typing = { node, page: before || { ...look(), late: true } };
    before = null;
  };
  const on = (kind, run) => window.addEventListener(kind, event => { try { run(event); } catch (error) { } }, true);

  on('pointerdown', () => { flush(); before = look(); });
  on('focusin', event => {
    if (typing && typing.node !== event.target) flush();
    const node = event.target;
    if (!isText(node)) return;
    told.set(node, node.value);
    if (!typing) typing = { node, page: before || look() };
  });
  on('input', event => { if (isText(event.target)) type(event.target); });
  on('change', event => {
    const node = event.target;
    if (isText(node)) { type(node); flush(); }
    else if (node instanceof HTMLSelectElement) {
      flush();
      const options = [...node.selectedOptions].map(option => option.label.replace(/\\s+/g, ' ').trim());
      send('select', node, { options, many: node.multiple, after: look().html });
    } else if (node instanceof HTMLInputElement && node.type === 'file') send('file', node, {});
  });
  on('click', event => {
    const node = event.composedPath()[0];
    if (!event.isTrusted || !(node instanceof Element)) return;
    if (event.detail === 0 && Date.now() - keyed < 1000) { keyed = 0; return; }
    const label = node.closest('label');
    if (label?.control && label.control !== node && !node.closest('a, button, input, select, textarea')) return;
    if (node.closest('select, option')) { before = null; return; }
    flush();
    const modifiers = ['Alt', 'Control', 'Meta', 'Shift'].filter(name => event.getModifierState(name));
    send('click', node, { button: 'left', modifiers });
  });
  on('auxclick', event => {
    if (!event.isTrusted || event.button !== 1) return;
    flush();
    send('click', event.target, { button: 'middle', modifiers: [] });
  });
  on('keydown', event => {
    const node = event.target, key = KEYS[event.key];
    if (!event.isTrusted || !key || event.repeat || event.isComposing) return;
    if (key === 'Space' && isText(node)) return;
    if (key === 'Enter' && node instanceof HTMLTextAreaElement) return;
    if (!(node instanceof Element) || node === document.body || node instanceof HTMLSelectElement) return;
    flush();
    keyed = key === 'Enter' || key === 'Space' ? Date.now() : 0;
    send('press', node, { key: key === 'Tab' && event.shiftKey ? 'Shift+Tab' : key });
  });
  // At once, however soon the page is left again: where a history leads must be known.
  const entry = performance.getEntriesByType('navigation')[0];
  tell({ kind: 'arrived', url: location.href, how: entry ? entry.type : 'navigate' });
  window.addEventListener('load', () => setTimeout(() => {
    tell({ kind: 'loaded', url: location.href, html: look().html });
  }));
  window.addEventListener('beforeunload', () => {
    flush();
    tell({ kind: 'leaving', url: location.href, html: look().html });
  });
})();""".replace("BINDING", BINDING).replace("PROBE", SNAPSHOT)
"""Added to every page before its own scripts."""
