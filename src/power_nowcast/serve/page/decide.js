// What people decide: sign in, mark, adjust, promote, roll back. Everything is said in words, and confirmed, before it is sent.

import { el } from './parts.js';
import { moment, number } from './words.js';

const $ = (id) => document.getElementById(id);
const POLL = 2000;
const HOURS = [0.5, 1, 2, 4, 8, 12, 24];

const nobody = { name: null, scope: null, proof: null };
let session = nobody;
let page = null; // what the page gives: region(), view(), now(), reload(), signed()
let act = null; // what is confirmed
let shown = ''; // the decisions that are listed

// A request to the service with the proof of the sign-in; an error says what the service said.
export async function send(method, path, body) {
  const headers = { 'x-csrf-token': session.proof ?? '' };
  if (body) headers['content-type'] = 'application/json';
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(30000) });
  if (response.status === 401 && session.name) show(nobody); // the sign-in has ended, or the service was started anew
  const told = await response.json();
  if (!response.ok) throw new Error([told.detail, told.remedy].filter(Boolean).join(' '));
  return told;
}

export const isAdmin = () => session.scope === 'admin';

// Says what would happen, and does it if the reader agrees. A refusal stays in the dialog.
export function confirm(words, work) {
  act = work;
  $('ask-words').textContent = words;
  $('ask-trouble').textContent = '';
  $('ask').showModal();
}

async function attempt(dialog, trouble, work) {
  const buttons = dialog.querySelectorAll('button');
  for (const button of buttons) button.disabled = true;
  try {
    await work();
    dialog.close();
  } catch (error) {
    trouble.textContent = error instanceof SyntaxError || error instanceof TypeError || error.name === 'TimeoutError' ? 'The service did not answer. Nothing may have changed; try again.' : error.message;
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

function show(told) {
  session = told;
  $('sign').textContent = session.name ? `Sign out (${session.name})` : 'Sign in';
  $('acts').hidden = !isAdmin();
  render(page.view());
  page.signed();
}

export async function whoIsIt() {
  const before = session;
  try {
    const told = await send('GET', 'v1/session');
    if (session === before) show(told); // else somebody has signed in or out since this was asked
  } catch {
    // Nothing depends on it: who is not signed in may look.
  }
}

function sentence(view, one) {
  const until = moment(view.timezone, Date.parse(one.until));
  const what = one.kind === 'mark' ? `${one.series}: telemetry does not count` : `${one.series}: adjusted by ${signedPower(view, one.adjustment_mw)}`;
  return `${what} until ${until}, by ${one.person}: ${one.reason}.`;
}

function signedPower(view, mw) {
  return `${mw > 0 ? '+' : ''}${number(mw, Number.isInteger(mw) ? 0 : 1)} MW`;
}

// What is in force, which everybody sees, and what an administrator may do.
export function render(view) {
  if (!view) return;
  $('people').hidden = !isAdmin() && !view.decisions.length;
  $('version-now').textContent = `Version ${view.model.version} answers.`;
  options($('mark').elements.series, view.zones);
  options($('adjust').elements.series, view.series.map((one) => one.series));
  const now = JSON.stringify([view.decisions, isAdmin()]);
  if (now === shown) return; // a button that has the focus keeps it
  shown = now;
  const items = view.decisions.map((one) => {
    const item = el('li', {}, sentence(view, one), ' ');
    if (isAdmin()) {
      const button = el('button', { type: 'button', 'aria-label': `End it: ${sentence(view, one)}` }, 'End it');
      button.addEventListener('click', () => confirm(`End now: ${sentence(view, one)}`, () => end(one)));
      item.append(button);
    }
    return item;
  });
  $('decided').replaceChildren(...(items.length ? items : [el('li', {}, 'No mark and no adjustment is in force.')]));
}

function options(select, names) {
  if (select.dataset.names === names.join('\n')) return;
  select.dataset.names = names.join('\n');
  select.replaceChildren(...names.map((name) => new Option(name)));
}

const to = (path) => `v1/${path.replace('REGION', encodeURIComponent(page.region()))}`;

async function decide(body) {
  await send('POST', to('interventions/REGION'), body);
  await page.reload();
}

async function end(one) {
  const query = new URLSearchParams({ kind: one.kind, series: one.series, reason: 'ended on the page' });
  await send('DELETE', `${to('interventions/REGION')}?${query}`);
  await page.reload();
}

async function change(path, body) {
  await send('POST', to(`models/REGION/${path}`), body);
  follow();
}

// A change of the version takes as long as a comparison; this says how far it is.
async function follow() {
  try {
    const [last] = await send('GET', to('models/REGION/changes'));
    if (!last) return;
    const what = last.version === null ? 'The rollback' : `The promotion of ${last.version}`;
    const words = { running: `${what} is running.`, done: `${what} is done. ${last.told.join(' ')}`, failed: `⚠ ${what} failed. ${last.told.join(' ')}` };
    if ($('change').textContent !== words[last.state]) $('change').textContent = words[last.state];
    if (last.state === 'running') setTimeout(follow, POLL);
  } catch {
    setTimeout(follow, POLL);
  }
}

function onSubmit(id, work) {
  $(id).addEventListener('submit', (event) => {
    event.preventDefault();
    work(Object.fromEntries(new FormData($(id))), page.view());
  });
}

// A full minute of the service's clock, so many hours from now.
export const hoursLater = (hours) => new Date(Math.round((page.now() + hours * 3600e3) / 60e3) * 60e3);
export const iso = (time) => `${time.toISOString().slice(0, 19)}Z`;

export function begin(given) {
  page = given;
  for (const select of document.querySelectorAll('select[name=hours]')) {
    select.replaceChildren(...HOURS.map((hours) => new Option(hours < 1 ? '30 minutes' : hours === 1 ? '1 hour' : `${hours} hours`, hours, hours === 2, hours === 2)));
  }
  $('sign').addEventListener('click', () => {
    if (session.name) send('DELETE', 'v1/session').then(show, () => show(nobody));
    else $('sign-in').showModal();
  });
  onSubmit('sign-form', ({ key }) =>
    attempt($('sign-in'), $('sign-trouble'), async () => {
      show(await send('POST', 'v1/session', { key }));
      follow();
    }),
  );
  $('sign-in').addEventListener('close', () => $('sign-form').reset());
  $('ask-yes').addEventListener('click', () => attempt($('ask'), $('ask-trouble'), act));
  for (const button of document.querySelectorAll('dialog .cancel')) button.addEventListener('click', () => button.closest('dialog').close());
  onSubmit('mark', ({ series, hours, reason }, view) => {
    const until = hoursLater(Number(hours));
    const words = `Take the telemetry of ${series} out until ${moment(view.timezone, until)}? Its nowcast and the total then come from what else is known.`;
    confirm(words, () => decide({ kind: 'mark', series, until: iso(until), reason }));
  });
  onSubmit('adjust', ({ series, mw, hours, reason }, view) => {
    const until = hoursLater(Number(hours));
    const words = `Publish ${series} adjusted by ${signedPower(view, Number(mw))} until ${moment(view.timezone, until)}, beside the model’s nowcast?`;
    confirm(words, () => decide({ kind: 'adjust', series, adjustment_mw: Number(mw), until: iso(until), reason }));
  });
  onSubmit('promote', ({ version, reason }, view) => {
    const words = `Compare ${version} with version ${view.model.version}, and put it into production if the rule allows it?`;
    confirm(words, () => change('promote', { version, reason }));
  });
  onSubmit('rollback', ({ reason }, view) => {
    const words = `Take version ${view.model.version} out of production, and put the version before it back?`;
    confirm(words, () => change('rollback', { from_version: view.model.version, reason }));
  });
  whoIsIt();
}
