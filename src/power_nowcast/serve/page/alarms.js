// The alarms that stand, with what people have done about them. Administrators acknowledge and shelve them.

import { confirm, hoursLater, isAdmin, iso, send } from './decide.js';
import { el, local } from './parts.js';
import { moment } from './words.js';

const $ = (id) => document.getElementById(id);
const SHELF_HOURS = [1, 4, 12, 24];

let page = null; // what the page gives: region(), view(), now()
let alarms = [];
let shown = ''; // what is listed

export function begin(given) {
  page = given;
}

const address = () => `v1/alarms/${encodeURIComponent(page.region())}`;

export async function loadAlarms() {
  try {
    alarms = await send('GET', address());
    render();
  } catch {
    // The next look asks again; the sentence on top tells of a service that does not answer.
  }
}

async function attend(body) {
  alarms = await send('POST', address(), body);
  render();
}

const isShelved = (one) => one.shelved_until !== null && Date.parse(one.shelved_until) > page.now();

// Those that wait for somebody come first, the critical ones before the others.
export function render() {
  if (!page.view()) return;
  const now = JSON.stringify([alarms, alarms.map(isShelved), isAdmin()]);
  if (now === shown) return; // a button that has the focus keeps it
  shown = now;
  $('alarms').hidden = alarms.length === 0;
  const order = [...alarms].sort((one, other) => other.open - one.open || other.critical - one.critical);
  $('standing').replaceChildren(...order.map((one) => item(page.view(), one)));
}

function item(view, one) {
  const when = (text) => moment(view.timezone, Date.parse(text));
  const told = [`Since ${when(one.raised_at)}.`];
  if (one.acknowledged_by) told.push(`Acknowledged by ${one.acknowledged_by}, ${when(one.acknowledged_at)}.`);
  if (isShelved(one)) told.push(`Shelved by ${one.shelved_by} until ${when(one.shelved_until)}.`);
  const sign = one.open ? (one.critical ? '✖ ' : '⚠ ') : '';
  const words = el('p', {}, el('b', {}, `${sign}${one.name}`), ' ', ...local(view, one.text), ' ', el('span', { class: 'since' }, told.join(' ')));
  const look = one.open ? (one.critical ? 'open critical' : 'open') : 'seen';
  return el('li', { class: look }, words, ...(isAdmin() ? [acts(view, one)] : []));
}

function button(text, about, work) {
  const made = el('button', { type: 'button', 'aria-label': `${text}: ${about}` }, `${text} …`);
  made.addEventListener('click', work);
  return made;
}

function acts(view, one) {
  const found = el('p', { class: 'acts' });
  if (!one.acknowledged_by) {
    const words = `Acknowledge the alarm “${one.name}”? It stays in the list until it is over, and waits for nobody any more.`;
    found.append(button('Acknowledge', one.name, () => confirm(words, () => attend({ name: one.name, acknowledge: true }))));
  }
  if (isShelved(one)) {
    const words = `Take the alarm “${one.name}” off the shelf? It is told again while it stands.`;
    found.append(button('Take off the shelf', one.name, () => confirm(words, () => attend({ name: one.name, shelve_until: iso(hoursLater(0)) }))));
    return found;
  }
  const hours = el('select', { 'aria-label': `Hours on the shelf: ${one.name}` }, ...SHELF_HOURS.map((count) => new Option(`${count} h`, count)));
  const shelve = button('Shelve for', one.name, () => {
    const until = hoursLater(Number(hours.value));
    const words = `Shelve the alarm “${one.name}” until ${moment(view.timezone, until)}? It is told to nobody before then, even if it is raised again.`;
    confirm(words, () => attend({ name: one.name, shelve_until: iso(until) }));
  });
  shelve.textContent = 'Shelve …';
  found.append(hours, shelve);
  return found;
}
