// The parts of the page that are text: badges, small multiples, state, events, the table of every value.

import { DASH, moment, number, percent, signed, timeOfDay, unbroken, utc } from './words.js';

const $ = (id) => document.getElementById(id);
const TABLES = { power: 'Power', weather: 'Weather', forecast: 'Operator’s forecast', weather_forecast: 'Weather forecast' };
const NOTES = { replay: 'Replay of past data', sample: 'Sample of past data', archive: 'Data of the past' };
const LEVELS = ['q05', 'q10', 'q25', 'q50', 'q75', 'q90', 'q95'];

export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const time = (view, at) => el('time', { datetime: new Date(at).toISOString(), title: utc(at) }, timeOfDay(view.timezone, at));

// The side of a series that stands in a region with both: load or generation. A sum of both kinds is neither.
export const sideOf = (one) => one.kind && (one.kind === 'load' ? 'Load' : 'Generation');

// What is around the large picture.
export function head(view, series, { said, setSaid, beside }) {
  $('title').textContent = view.title;
  $('series-title').textContent = `${series.series}, ${view.unit}`;
  $('fan-words').textContent = `Measured values of ${series.series} and the nowcast of the coming hour. All values are in the table below.`;
  $('badges').replaceChildren(...view.notes.map((note) => el('span', { class: 'badge' }, NOTES[note] ?? note)));
  $('version').textContent = `${view.model.name} ${view.model.version}`;
  $('legend-operator').hidden = !series.operator || series.operator.every((value) => value === null);
  $('legend-adjusted').hidden = !series.adjusted;
  $('legend-said').hidden = said === '';
  $('legend-said').querySelector('span').textContent = `said ${said} minutes before`;
  for (const id of ['beside-title', 'beside']) $(id).toggleAttribute('hidden', !beside);
  if (beside) {
    $('beside-title').textContent = `${beside.series}, ${view.unit}`;
    $('beside-words').textContent = `Measured values of ${beside.series} and the nowcast of the coming hour, with the moment of the picture above.`;
  }
  before(series, said, setSaid);
}

// Everything else.
export function fill(view, series, choose) {
  const tell = (one, value) => number(value === null ? null : value / view.mw_per_unit, one.digits);
  multiples(view, series, tell, choose);
  facts(view);
  events(view);
  values(view, series, (value) => tell(series, value));
}

function before(series, said, setSaid) {
  const box = $('before');
  if (box.querySelector('input')) return;
  for (const minutes of [...Object.keys(series.said), '']) {
    const input = el('input', { type: 'radio', name: 'said', value: minutes });
    input.checked = minutes === said;
    input.addEventListener('change', () => setSaid(minutes));
    box.append(el('label', {}, input, minutes ? `${minutes} min` : 'none'));
  }
}

// Load first, then generation, each in the order of the region.
function bySide(all) {
  const sides = [null, 'Load', 'Generation'];
  return [...all].sort((one, two) => sides.indexOf(sideOf(one)) - sides.indexOf(sideOf(two)));
}

function multiples(view, series, tell, choose) {
  const box = $('multiples');
  const shown = bySide(view.series);
  const names = shown.map((one) => one.series).join('\n');
  if (box.dataset.names !== names) {
    box.dataset.names = names;
    const sides = new Set(shown.map(sideOf).filter(Boolean));
    let side = null;
    box.replaceChildren(
      ...shown.flatMap((one) => {
        const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
        svg.setAttribute('aria-hidden', 'true');
        svg.dataset.series = one.series;
        const button = el('button', { type: 'button' }, el('b'), el('span', { class: 'value' }), el('span', { class: 'moves' }), svg);
        button.addEventListener('click', () => choose(one.series));
        const isNew = sides.size > 1 && sideOf(one) && sideOf(one) !== side;
        side = sideOf(one);
        return isNew ? [el('h3', {}, side), button] : [button];
      }),
    );
  }
  const buttons = box.querySelectorAll('button');
  shown.forEach((one, n) => {
    const button = buttons[n];
    const last = one.quantiles.q50.length - 1;
    const [origin, median] = [one.origin_mw, one.quantiles.q50[last]];
    const isKnown = origin !== null && median !== null;
    const isSmall = isKnown && Math.abs(origin) < 0.05 * Math.abs(median);
    const moves = !isKnown ? DASH : isSmall || origin === 0 ? `${signed((median - origin) / view.mw_per_unit, one.digits)} ${view.unit}` : `${signed((100 * (median - origin)) / Math.abs(origin), 1)} %`;
    button.setAttribute('aria-pressed', String(one === series));
    button.querySelector('b').textContent = one.series;
    button.querySelector('.value').textContent = `${tell(one, origin)} ${view.unit}`;
    button.querySelector('.moves').textContent = one.quality === 'full' ? `${moves} in ${view.interval_minutes * one.quantiles.q50.length} min` : `⚠ ${one.quality}`;
    button.classList.toggle('odd', one.quality !== 'full');
  });
}

function since(at, late) {
  const made = el('span', { 'data-since': Date.parse(at), title: utc(Date.parse(at)) });
  if (late !== null) made.dataset.late = late * 60e3;
  return made;
}

function facts(view) {
  const rows = view.sources.map((one) => [TABLES[one.table] ?? one.table, one.newest ? since(one.newest, one.late_minutes) : '⚠ nothing yet']);
  const interval = view.interval_minutes;
  rows.push(['Nowcast', since(view.published_at, view.followed ? 2.5 * interval : null)]);
  rows.push(['Quality', view.reasons.length ? `⚠ ${view.quality}: ${view.reasons.join(', ')}` : view.quality === 'full' ? 'full, all inputs good' : `⚠ ${view.quality}`]);
  const notes = view.notes.filter((note) => !(note in NOTES));
  if (notes.length) rows.push(['Note', notes.join(', ')]);
  rows.push(['Model', `${view.model.name}, version ${view.model.version} (${view.model.kind})`]);
  rows.push(['Issued', time(view, view.issued)]);
  $('facts').replaceChildren(...rows.flatMap(([name, what]) => [el('dt', {}, name), el('dd', {}, what)]));
}

// How good the nowcasts of the last day and week were, the version in the shadow beside them, and the versions that answered.
export function skills(view, series, { day, week, shadow, history }) {
  const own = (rows) => (rows ?? []).filter((row) => row.series === series.series && row.horizon_min % 15 === 0);
  const tables = [];
  const isOlder = own(week).some((row, n) => row.n !== own(day)[n]?.n);
  if (own(day).length) tables.push(skillTable(view, series, own(day), week && !isOlder ? 'the last 24 hours; there are none before' : 'the last 24 hours'));
  if (isOlder) tables.push(skillTable(view, series, own(week), 'the last 7 days'));
  if (own(shadow).length) tables.push(shadowTable(view, series, own(shadow)));
  $('skill').replaceChildren(...tables);
  const items = (history ?? []).slice(-30).reverse().map((event) => el('li', {}, moment(view.timezone, Date.parse(event.at)), ' ', el('b', {}, event.kind), ' ', ...local(view, event.what)));
  $('history').querySelector('ol').replaceChildren(...(items.length ? items : [el('li', {}, 'No version was promoted, judged or refused.')]));
}

function table(caption, head, body) {
  return el('table', {}, el('caption', {}, caption), el('thead', {}, el('tr', {}, ...head.map((text) => el('th', { scope: 'col' }, text)))), el('tbody', {}, ...body));
}

const ahead = (row) => el('th', { scope: 'row' }, `${row.horizon_min} min`);
const marked = (text, isOdd) => el('td', isOdd ? { class: 'late' } : {}, `${isOdd ? '⚠ ' : ''}${text}`);

// The share of values within the band of 80 %. It is marked where it is off by more than a tenth, and by more than three
// standard errors. Nowcasts for the same time are nearly one: so many of them count as one as lie within the time ahead.
function held(view, { coverage_80: share, n, horizon_min: minutes }) {
  const independent = (n * view.interval_minutes) / Math.max(minutes, view.interval_minutes);
  return marked(percent(share), Math.abs(share - 0.8) > Math.max(0.1, 3 * Math.sqrt((0.8 * 0.2) / independent)));
}

// The change of the error against that of somebody else: below zero ours is the smaller one.
function against(mae, other) {
  const change = other ? mae / other - 1 : null;
  return marked(change === null ? DASH : `${signed(100 * change, 0)} %`, change !== null && change > 0);
}

function skillTable(view, series, rows, span) {
  const isBeside = rows.some((row) => row.operator_mae_mw !== null);
  const head = ['Ahead', `Error, ${view.unit}`, 'Against last value', ...(isBeside ? ['Against operator'] : []), 'In 8-of-10 band'];
  const body = rows.map((row) => {
    const cells = [ahead(row), el('td', {}, number(row.mae_mw / view.mw_per_unit, series.digits)), against(row.mae_mw, row.persistence_mae_mw)];
    if (isBeside) cells.push(against(row.mae_mw, row.operator_mae_mw));
    return el('tr', {}, ...cells, held(view, row));
  });
  return table(`${series.series}, live nowcasts of ${span}`, head, body);
}

function shadowTable(view, series, rows) {
  const head = ['Ahead', `Error, ${view.unit}`, 'Of what was published', 'In 8-of-10 band'];
  const tell = (mw) => el('td', {}, number(mw / view.mw_per_unit, series.digits));
  const body = rows.map((row) => el('tr', {}, ahead(row), tell(row.mae_mw), tell(row.answered_mae_mw), held(view, row)));
  return table(`Version ${rows[0].version} in the shadow, the same moments of the last 7 days`, head, body);
}

// A text of the service, with the times that it gives in UTC as those of the region.
export function local(view, text) {
  return text.split(/(\d{4}-\d\d-\d\d[T ]\d\d:\d\d UTC)/).map((part, n) => {
    if (n % 2 === 0) return unbroken(part);
    const at = Date.parse(`${part.slice(0, 10)}T${part.slice(11, 16)}Z`);
    return el('time', { datetime: new Date(at).toISOString(), title: utc(at) }, moment(view.timezone, at));
  });
}

// Events of one kind at one time are one entry: a jump of the whole region would fill the list with its zones.
function events(view) {
  const groups = new Map();
  for (const event of view.happened.slice().reverse()) {
    const key = `${event.at} ${event.kind}`;
    groups.set(key, [...(groups.get(key) ?? []), event]);
  }
  const items = [...groups.values()].slice(0, 60).map((group) => {
    const [first, ...others] = group.reverse();
    const more = others.length ? ` Also: ${others.map((one) => one.about || one.what).join(', ').replace(/\.$/, '')}.` : '';
    const at = el('time', { datetime: new Date(first.at).toISOString(), title: utc(first.at) }, moment(view.timezone, first.at));
    return el('li', {}, at, ' ', el('b', {}, first.kind), ' ', ...local(view, `${first.what}${more}`));
  });
  $('events').replaceChildren(...(items.length ? items : [el('li', {}, 'Nothing.')]));
}

function values(view, series, tell) {
  const minutes = Object.keys(series.said).sort((a, b) => b - a);
  const levels = LEVELS.filter((one) => one !== 'q50');
  const head = ['Time', 'Measured', 'Nowcast', ...levels.map((one) => `${Number(one.slice(1))} %`)];
  if (series.adjusted) head.push('Adjusted');
  head.push(...(series.operator ? ['Operator'] : []), ...minutes.map((one) => `Said ${one} min before`));
  const rows = view.at.map((at, n) => {
    const later = view.ahead.indexOf(at);
    const q = (name) => (later >= 0 ? tell(series.quantiles[name][later]) : '');
    const cells = [later >= 0 ? '' : tell(series.measured[n]), q('q50'), ...levels.map(q)];
    if (series.adjusted) cells.push(later >= 0 ? tell(series.adjusted[later]) : '');
    cells.push(...(series.operator ? [tell(series.operator[n])] : []), ...minutes.map((one) => tell(series.said[one][n])));
    const when = el('time', { datetime: new Date(at).toISOString(), title: utc(at) }, timeOfDay(view.timezone, at, true));
    return el('tr', {}, el('th', { scope: 'row' }, when), ...cells.map((text) => el('td', {}, text)));
  });
  $('values-note').textContent = `${series.series}, ${view.unit}, newest first. The level of 90 % is passed 1 time in 10, that of 5 % 19 times in 20.`;
  const made = el('table', { 'aria-describedby': 'values-note' }, el('thead', {}, el('tr', {}, ...head.map((text) => el('th', { scope: 'col', class: text.startsWith('Said') ? 'said-head' : '' }, text)))), el('tbody', {}, ...rows.reverse()));
  $('table').replaceChildren(made);
}
