// The page of one region. What it shows comes from `v1/view`; the stream says when to ask for it.

import { begin as beginAlarms, loadAlarms, render as renderAlarms } from './alarms.js';
import { begin, render as renderDecisions, whoIsIt } from './decide.js';
import { draw } from './draw.js';
import { fill, head, sideOf, skills } from './parts.js';
import { ServerClock, Stream } from './stream.js';
import { age, moment, number, timeOfDay, unbroken, utc } from './words.js';

const $ = (id) => document.getElementById(id);
const TICK = 500;
const HOURS = 4;
const FIGURES_EVERY = 30 * 60e3; // the figures of a day move slowly
const ALARMS_EVERY = 60e3; // the watch raises an alarm beside the publications, and without them
const COURSES = 20;
const LOST = 3000; // a connection that breaks for less is not worth a word
const WORDS = { normal: '', warning: '⚠ Warning', alarm: '✖ Alarm', waiting: '' };
const VERSION = document.querySelector('meta[name=page-version]').content;

const clock = new ServerClock();
let view = null;
let failure = null;
let chosen = null; // the series of the large picture
let other = null; // where load and generation are nowcast: the series of the other side, shown beside it
let kept = null; // the moment that the reader has chosen; null for the end of the nowcast
let large = []; // the pictures of the chosen series, and of the one beside it
let small = []; // those of every series
let said = '60';
let stream = null;
let figures = {}; // skill of the last day and week, the shadow's, and the history of the model
let figuresAsked = -Infinity;
let alarmsAsked = -Infinity;
let courses = null; // { id, series, paths }: sample courses of a publication
let loading = false;
let loadAgain = null; // what was asked for while the view was on its way
const region = decodeURIComponent(document.querySelector('meta[name=region]').content);

// Asks for the view, unless it shows the publication with this id already.
async function load(id = null) {
  if (id !== null && view?.id === id) return;
  if (loading) {
    loadAgain = { id };
    return;
  }
  loading = true;
  if (view) performance.clearResourceTimings(); // the browser keeps a record of 250 requests, and nobody reads it
  try {
    const response = await fetch(`v1/view/${encodeURIComponent(region)}?hours=${HOURS}`, { signal: AbortSignal.timeout(15000) });
    const told = await response.json();
    if (!response.ok) throw new Error([told.detail, told.remedy].filter(Boolean).join(' '));
    failure = null;
    take(told, view ? performance.now() : arrivedAt(response.url));
    loadFigures();
    askAlarms();
  } catch (error) {
    failure = error instanceof SyntaxError || error instanceof TypeError || error.name === 'TimeoutError' ? '' : error.message;
    setTimeout(load, 3000);
  } finally {
    loading = false;
  }
  if (loadAgain) {
    const again = loadAgain.id;
    loadAgain = null;
    load(again);
  }
  tick();
}

// When the first view arrived: the browser asks for it before this script runs.
function arrivedAt(url) {
  return performance.getEntriesByName(url).pop()?.responseEnd || performance.now();
}

function take(told, heard) {
  clock.set(told.clock, heard);
  checkVersion(told.clock.page);
  view = told;
  view.at = told.times.map(Date.parse);
  view.ahead = told.valid_at.map(Date.parse);
  view.issued = Date.parse(told.issue_time);
  view.happened = told.events.map((event) => ({ ...event, at: Date.parse(event.at) }));
  if (!shownSeries()) chosen = view.series[0].series;
  render();
}

async function ask(path) {
  const response = await fetch(path.replace('REGION', encodeURIComponent(region)), { signal: AbortSignal.timeout(60000) });
  if (!response.ok) throw new Error(response.statusText);
  return response.json();
}

async function loadFigures() {
  if (performance.now() - figuresAsked < FIGURES_EVERY) return;
  figuresAsked = performance.now();
  try {
    const since = new Date(clock.now() - 90 * 86400e3).toISOString();
    const kinds = ['promoted', 'judged', 'not loaded'].map((kind) => `&kind=${encodeURIComponent(kind)}`).join('');
    // One after the other: the service has other readers.
    for (const [name, path] of [['day', 'v1/skill/REGION'], ['week', 'v1/skill/REGION?hours=168'], ['shadow', 'v1/shadow/REGION'], ['history', `v1/events/REGION?since=${since}${kinds}`]]) {
      figures[name] = await ask(path);
      skills(view, shownSeries(), figures);
    }
  } catch {
    figuresAsked = performance.now() - FIGURES_EVERY + 60e3; // in a minute again
  }
}

function askAlarms() {
  alarmsAsked = performance.now();
  loadAlarms();
}

// The sample courses of what is shown, if the reader wants them.
async function loadCourses() {
  const [id, series] = [view.id, chosen];
  if (!$('courses').checked || (courses?.id === id && courses.series === series)) return;
  try {
    const answer = await ask(`v1/nowcast/REGION/paths?count=${COURSES}&series=${encodeURIComponent(series)}`);
    courses = { id, series, paths: answer.series[0].paths };
    if (id === view.id && series === chosen) render();
  } catch {
    // The fan stands without them; the next publication asks again.
  }
}

// A service that was started with a newer page: open it, once the page itself arrives, and not a proxy's error.
async function checkVersion(version) {
  if (version === VERSION || sessionStorage.getItem('opened') === version) return;
  try {
    const response = await fetch('./', { cache: 'no-cache' });
    if (!response.ok || !(await response.text()).includes(version)) return;
    sessionStorage.setItem('opened', version);
    location.reload();
  } catch {
    // The next heartbeat tries again.
  }
}

function shownSeries() {
  return view.series.find((one) => one.series === chosen);
}

// The series beside the chosen one: generation beside load, and load beside generation. The last one that was chosen of that side.
function shownBeside() {
  const side = sideOf(shownSeries());
  const others = side ? view.series.filter((one) => sideOf(one) && sideOf(one) !== side) : [];
  return others.find((one) => one.series === other) ?? others[0];
}

function cursor() {
  const at = kept === null ? -1 : view.at.indexOf(kept);
  return at >= 0 ? at : view.at.length - 1;
}

function render() {
  const series = shownSeries();
  const beside = shownBeside();
  const isFirst = large.length === 0;
  head(view, series, { said, setSaid, beside });
  const isDrawn = $('courses').checked && courses?.id === view.id && courses.series === chosen;
  $('legend-courses').hidden = !isDrawn;
  large = [draw($('fan'), view, series, { said, courses: isDrawn ? courses.paths : [] })];
  if (beside) large.push(draw($('beside'), view, beside, { said }));
  loadCourses();
  $('moment').max = view.at.length - 1;
  setCursor(cursor());
  tick();
  // The first picture is painted before the rest is made. A page that nobody sees is painted never.
  if (isFirst && document.visibilityState === 'visible') requestAnimationFrame(() => setTimeout(renderRest));
  else renderRest();
}

function renderRest() {
  const series = shownSeries();
  fill(view, series, choose);
  skills(view, series, figures);
  renderDecisions(view);
  renderAlarms();
  const pictures = [...document.querySelectorAll('#multiples svg')];
  const boxes = pictures.map((svg) => svg.getBoundingClientRect()); // all before the first is drawn: a layout each otherwise
  small = pictures.map((svg, n) => draw(svg, view, view.series.find((one) => one.series === svg.dataset.series), { compact: true, box: boxes[n] }));
  setCursor(cursor());
  tick();
}

function choose(name) {
  const before = shownSeries();
  chosen = name;
  if (sideOf(before) !== sideOf(shownSeries())) other = before.series;
  render();
  $('announce').textContent = `${name} is shown.`;
}

function setSaid(minutes) {
  said = minutes;
  render();
}

function setCursor(n) {
  const series = shownSeries();
  const beside = shownBeside();
  for (const scene of [...large, ...small]) scene.setCursor(n);
  $('moment').value = n;
  const at = view.at[n];
  $('moment').setAttribute('aria-valuetext', moment(view.timezone, at));
  const later = view.ahead.indexOf(at);
  const tell = (value, one = series) => number(value === null ? null : value / view.mw_per_unit, one.digits);
  const parts = [];
  const value = later >= 0 ? series.quantiles.q50[later] : series.measured[n];
  for (const one of beside ? [series, beside] : [series]) {
    const of = one === series ? '' : `${one.series}: `;
    if (later >= 0) {
      const { q10, q50, q90 } = one.quantiles;
      parts.push([`${of}nowcast`, `${tell(q50[later], one)} ${view.unit}`], [`${of}8 of 10 times within`, `${tell(q10[later], one)} to ${tell(q90[later], one)}`]);
    } else {
      parts.push([`${of}measured`, `${tell(one.measured[n], one)} ${view.unit}`]);
    }
  }
  if (series.operator && series.operator[n] !== null) parts.push(['operator’s forecast', tell(series.operator[n])]);
  for (const minutes of Object.keys(series.said).sort((a, b) => b - a)) {
    const before = series.said[minutes][n];
    if (before === null) continue;
    const off = value === null ? '' : ` (${later >= 0 ? 'now' : 'came'} ${difference(value - before, series.digits)})`;
    parts.push([`said ${minutes} minutes before`, `${tell(before)}${off}`]);
  }
  const heading = document.createElement('h3');
  heading.textContent = `${chosen}, ${moment(view.timezone, at)}`;
  heading.title = utc(at);
  const list = document.createElement('dl');
  for (const [name, text] of parts) {
    const box = document.createElement('div');
    box.append(Object.assign(document.createElement('dt'), { textContent: name }), Object.assign(document.createElement('dd'), { textContent: text }));
    list.append(box);
  }
  $('readout').replaceChildren(heading, list);
}

function difference(mw, digits) {
  const text = number(Math.abs(mw) / view.mw_per_unit, digits);
  return /[1-9]/.test(text) ? `${text} ${mw > 0 ? 'higher' : 'lower'}` : 'the same';
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let told = null; // the minute that the clock shows

// What only the passing of time changes: the sentence, ages, the line of now. By the service's clock.
function tick() {
  const now = clock.now();
  let level = 'waiting';
  let sentence = failure || 'Waiting for the service.';
  if (view) {
    const stage = view.stages.filter((one) => Date.parse(one.since) <= now).pop() ?? view.stages[0];
    level = stage.level;
    sentence = unbroken(stage.text.replace('{age}', age(now - Date.parse(view.newest))));
    if (failure) [level, sentence] = ['alarm', `${failure} Before: ${sentence}`];
    for (const scene of [...large, ...small]) scene.setNow(now);
    for (const part of document.querySelectorAll('[data-since]')) {
      const old = now - Number(part.dataset.since);
      const isLate = part.dataset.late !== undefined && old > Number(part.dataset.late);
      setText(part, `${isLate ? '⚠ late: ' : ''}${age(old)} old`);
      part.classList.toggle('late', isLate);
    }
    const minute = Math.floor(now / 60e3);
    if (minute !== told) {
      told = minute;
      setText($('clock'), moment(view.timezone, now));
      $('clock').title = utc(now);
    }
  } else if (failure) {
    level = 'alarm';
  }
  const lost = stream && (stream.brokenFor > LOST || (failure === '' && stream.brokenFor > 0));
  $('connection').hidden = !lost;
  if (lost) {
    if (level === 'normal') level = 'warning';
    const of = view ? ` What you see is of ${timeOfDay(view.timezone, view.issued, true)}.` : '';
    setText($('connection'), `No connection to the service for ${age(stream.brokenFor)}.${of} It tries again by itself.`);
  }
  setText($('word'), WORDS[level]);
  setText($('sentence'), sentence);
  if (document.body.dataset.level !== level) {
    document.body.dataset.level = level;
    setText($('announce'), `${WORDS[level]} ${sentence}`);
  }
  const value = view?.series[0].origin_mw;
  const power = value === null || value === undefined ? '' : `${view.series[0].series} ${number(value / view.mw_per_unit, view.series[0].digits)} ${view.unit}`;
  const title = `${WORDS[level] ? `${WORDS[level]}: ` : ''}${power || 'power-nowcast'}`;
  if (document.title !== title) document.title = title;
}

// After sleep the clock of this page may have stood still: whatever wakes it asks for the present.
let ticked = Date.now();
function wake() {
  stream?.open();
  load();
  whoIsIt();
}

setInterval(() => {
  const gap = Date.now() - ticked;
  ticked = Date.now();
  if (Math.abs(gap) > 10 * TICK + 5000) wake();
  stream?.check();
  if (view && performance.now() - alarmsAsked > ALARMS_EVERY) askAlarms();
  tick();
}, TICK);
document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && wake());
document.addEventListener('resume', wake);
addEventListener('pageshow', (event) => event.persisted && wake());
addEventListener('online', wake);

$('courses').addEventListener('change', () => view && render());
$('moment').addEventListener('input', () => {
  const n = Number($('moment').value);
  kept = n === view.at.length - 1 ? null : view.at[n];
  setCursor(n);
});
for (const [n, id] of ['fan', 'beside'].entries()) {
  $(id).addEventListener('pointermove', (event) => view && setCursor(large[n].indexAt(event.clientX)));
  $(id).addEventListener('pointerleave', () => view && setCursor(cursor()));
  $(id).addEventListener('click', (event) => {
    kept = view.at[large[n].indexAt(event.clientX)];
    setCursor(cursor());
  });
}
$('multiples').addEventListener('pointermove', (event) => {
  const svg = event.target.closest('svg');
  const place = svg ? [...document.querySelectorAll('#multiples svg')].indexOf(svg) : -1;
  if (view && place >= 0) setCursor(small[place].indexAt(event.clientX));
});
$('multiples').addEventListener('pointerleave', () => view && setCursor(cursor()));
new ResizeObserver(() => view && render()).observe($('picture'));

// The choice of regions, where there is one. The picture does not wait for it.
async function offerRegions() {
  try {
    const regions = await ask('v1/regions');
    $('choice').hidden = regions.length < 2;
    $('region').replaceChildren(...regions.map((one) => new Option(one.title, one.name, false, one.name === region)));
  } catch {
    setTimeout(offerRegions, 2000);
  }
}

function start() {
  $('region').addEventListener('change', () => location.assign(`?region=${encodeURIComponent($('region').value)}`));
  load().then(offerRegions);
  stream = new Stream(`v1/stream/${encodeURIComponent(region)}`, {
    onNowcast: (id) => {
      if (id === undefined) whoIsIt(); // after a break: the service may have been started anew, and knows nobody
      load(id);
    },
    onBeat: (beat) => {
      clock.set(beat);
      checkVersion(beat.page);
      if (!view || !view.followed) load();
    },
  });
  const given = { region: () => region, view: () => view, now: () => clock.now() };
  beginAlarms(given);
  begin({ ...given, reload: () => load(), signed: renderAlarms });
}

start();
