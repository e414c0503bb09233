// Makes the page live and a little more comfortable. Everything works without it, only not by itself.
'use strict';

// ---- live regions: <div data-live="ADDRESS"> is filled with what the server renders ----

const swap = (region, html) => {
  const opened = [...region.querySelectorAll('details[open][id]')].map((details) => details.id);
  // What has the focus is found again by its id or address, else by its place among all that can have it.
  const focusable = () => [...region.querySelectorAll('a[href], button, summary, input, select, [tabindex]')];
  const focused = document.activeElement;
  const place = focusable().indexOf(focused);
  const scrolled = [...region.querySelectorAll('.scroll')].map((box) => box.scrollLeft);
  region.innerHTML = html;
  opened.forEach((id) => document.getElementById(id)?.setAttribute('open', ''));
  region.querySelectorAll('.scroll').forEach((box, nth) => { box.scrollLeft = scrolled[nth] ?? 0; });
  const alike = () => focusable().find((other) => other.href && other.href === focused.href);
  if (place >= 0) (document.getElementById(focused.id) ?? alike() ?? focusable()[place])?.focus({ preventScroll: true });
};

const streams = new Map();

const follow = (region) => {
  const stream = new EventSource(region.dataset.live);
  streams.set(region, stream);
  stream.addEventListener('html', (event) => swap(region, event.data));
  stream.addEventListener('reload', () => { stream.close(); location.reload(); });
  stream.addEventListener('end', () => { stream.close(); streams.delete(region); region.removeAttribute('data-live'); });
  stream.addEventListener('open', () => region.classList.remove('stale'));
  stream.addEventListener('error', () => {
    region.classList.add('stale');
    // The browser tries again by itself, save when it was refused.
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => follow(region), 5000);
  });
};

const followAll = () => document.querySelectorAll('[data-live]').forEach(follow);
const leaveAll = () => { streams.forEach((stream) => stream.close()); streams.clear(); };

followAll();
// Nobody looks: nothing is sent.
document.addEventListener('visibilitychange', () => {
  leaveAll();
  if (!document.hidden) followAll();
});
addEventListener('pagehide', leaveAll);
addEventListener('pageshow', (event) => { if (event.persisted) followAll(); });

// ---- small comforts, each asked for by an attribute ----

// Where the reader is, for choices that lead back here.
document.querySelectorAll('[data-here]').forEach((field) => { field.value = location.pathname + location.search; });

// <button data-copy="ID">: copies the text of an element. Without permission to do so, it marks the text.
const copy = async (button) => {
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = button.dataset.copied;
  } catch {
    getSelection().selectAllChildren(source);
  }
};

document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-copy]');
  if (button) copy(button);
});

// <form data-confirm="TEXT"> or <button data-confirm="TEXT">: asks first.
document.addEventListener('submit', (event) => {
  const text = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (text && !confirm(text)) event.preventDefault();
});

// <select data-submit>, <input data-submit>: a choice takes effect at once.
document.addEventListener('change', (event) => {
  if (event.target.matches('[data-submit]')) event.target.form.requestSubmit();
  // <input type="checkbox" data-all="NAME">: ticks all of that name.
  const name = event.target.dataset.all;
  if (name) document.getElementsByName(name).forEach((box) => { box.checked = event.target.checked; });
});
