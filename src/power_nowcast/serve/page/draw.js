// The fan as SVG: measured values, the nowcast with its bands, what was said before, the operator's forecast.

import { changesBetween, hourOf, minuteOf, number, timeOfDay } from './words.js';

const SVG = 'http://www.w3.org/2000/svg';
const BANDS = [['b90', 'q05', 'q95'], ['b80', 'q10', 'q90'], ['b50', 'q25', 'q75']];
const ranges = new Map();

function put(parent, name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

const isNumber = (value) => value !== null && Number.isFinite(value);

// A step of 1, 2 or 5 times a power of ten that divides a span into about `count` parts.
function niceStep(span, count) {
  const rough = span / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((times) => times * power >= rough);
}

// The range of a series' axis. It stays while values fit and fill enough of it, so that a glance can be compared.
function rangeOf(key, values) {
  const found = values.filter(isNumber);
  if (!found.length) return [0, 1];
  const [low, high] = [Math.min(...found), Math.max(...found)];
  const held = ranges.get(key);
  if (held && held[0] <= low && high <= held[1] && held[1] - held[0] < 2.5 * (high - low)) return held;
  const span = high - low || Math.abs(high) || 1;
  const step = niceStep(span, 5);
  const made = [Math.floor((low - 0.04 * span) / step) * step, Math.ceil((high + 0.04 * span) / step) * step];
  ranges.set(key, made);
  return made;
}

function line(times, values, x, y) {
  let path = '';
  let isOpen = false;
  values.forEach((value, n) => {
    if (isNumber(value)) path += `${isOpen ? 'L' : 'M'}${x(times[n]).toFixed(1)} ${y(value).toFixed(1)}`;
    isOpen = isNumber(value);
  });
  return path;
}

// The operator's forecast holds for whole intervals, so that it is drawn in steps.
function steps(times, values, x, y) {
  let path = '';
  let before = null;
  for (let n = 1; n < values.length; n++) {
    const value = values[n];
    if (isNumber(value)) {
      path += isNumber(before) ? `V${y(value).toFixed(1)}` : `M${x(times[n - 1]).toFixed(1)} ${y(value).toFixed(1)}`;
      path += `H${x(times[n]).toFixed(1)}`;
    }
    before = value;
  }
  return path;
}

function band(times, lows, highs, x, y) {
  const there = times.map((_, n) => n).filter((n) => isNumber(lows[n]) && isNumber(highs[n]));
  if (there.length < 2) return '';
  const up = there.map((n) => `${x(times[n]).toFixed(1)} ${y(highs[n]).toFixed(1)}`);
  const down = there.reverse().map((n) => `${x(times[n]).toFixed(1)} ${y(lows[n]).toFixed(1)}`);
  return `M${up.join('L')}L${down.join('L')}Z`;
}

function axes(svg, scene) {
  const { view, x, y, low, high, left, right, top, bottom, em } = scene;
  const step = niceStep(high - low, Math.max(2, Math.floor((bottom - top) / (3.2 * em))));
  const decimals = Math.max(0, -Math.floor(Math.log10(step / view.mw_per_unit) + 1e-9));
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step / 1e6; at += step) {
    put(svg, 'path', { class: 'grid', d: `M${left} ${y(at)}H${right}` });
    put(svg, 'text', { class: 'tick', x: left - 0.5 * em, y: y(at) + 0.33 * em, 'text-anchor': 'end' }, number(at / view.mw_per_unit, decimals));
  }
  put(svg, 'text', { class: 'tick', x: left - 0.5 * em, y: top - 0.7 * em, 'text-anchor': 'end' }, view.unit);
  const named = changesBetween(view.timezone, view.at[0], view.at[view.at.length - 1]);
  const room = (right - left) / ((view.at[view.at.length - 1] - view.at[0]) / 3600e3);
  const every = room > (named ? 7 : 4) * em ? 1 : room > (named ? 3.5 : 2) * em ? 2 : 3;
  const first = Math.ceil(view.at[0] / 900e3) * 900e3;
  for (let at = first; at <= view.at[view.at.length - 1]; at += 900e3) {
    if (minuteOf(view.timezone, at) !== 0) continue;
    put(svg, 'path', { class: 'grid', d: `M${x(at)} ${top}V${bottom}` });
    if (!named && hourOf(view.timezone, at) % every) continue;
    put(svg, 'text', { class: 'tick', x: x(at), y: bottom + 1.4 * em, 'text-anchor': 'middle' }, timeOfDay(view.timezone, at, named));
  }
}

// Draws one series and returns what moves later: the lines of now and of the chosen moment.
export function draw(svg, view, series, { compact = false, said = '', courses = [], box = svg.getBoundingClientRect() } = {}) {
  const em = compact ? 0 : parseFloat(getComputedStyle(svg).fontSize) || 14;
  const [width, height] = [Math.max(80, Math.round(box.width)), Math.max(40, Math.round(box.height))];
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  for (const child of [...svg.childNodes]) if (child.nodeName !== 'title') child.remove();
  const [left, right] = compact ? [1, width - 1] : [4.6 * em, width - 2 * em];
  const [top, bottom] = compact ? [3, height - 3] : [2.2 * em, height - 2 * em];
  const [start, end] = [view.at[0], view.at[view.at.length - 1]];
  const q = series.quantiles;
  const shown = said && series.said[said] ? series.said[said] : [];
  const parts = [series.measured, q.q05, q.q95];
  if (!compact) parts.push(shown, series.operator || [], series.adjusted || [], courses.flat());
  const [low, high] = rangeOf(`${view.region} ${series.series} ${compact}`, parts.flat());
  const x = (at) => left + ((at - start) / (end - start)) * (right - left);
  const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - top);
  if (!compact) axes(svg, { view, x, y, low, high, left, right, top, bottom, em });
  const ahead = [view.issued, ...view.ahead];
  const from = (values) => [series.origin_mw, ...values];
  for (const [name, under, over] of BANDS) put(svg, 'path', { class: `band ${name}`, d: band(ahead, from(q[under]), from(q[over]), x, y) });
  for (const course of courses) put(svg, 'path', { class: 'course', d: line(ahead, from(course), x, y) });
  if (!compact && series.operator) put(svg, 'path', { class: 'operator', d: steps(view.at, series.operator, x, y) });
  if (!compact && shown.length) put(svg, 'path', { class: 'said', d: line(view.at, shown, x, y) });
  put(svg, 'path', { class: 'measured', d: line(view.at, series.measured, x, y) });
  put(svg, 'path', { class: 'median', d: line(ahead, from(q.q50), x, y) });
  if (!compact && series.adjusted) put(svg, 'path', { class: 'adjusted', d: line(view.ahead, series.adjusted, x, y) });
  if (!compact) {
    for (const event of view.happened) {
      if (event.at < start || event.at > end || (event.about && event.about !== series.series)) continue;
      const mark = put(svg, 'path', { class: 'event', d: `M${x(event.at) - 0.4 * em} ${bottom + 1}h${0.8 * em}l${-0.4 * em} ${-0.7 * em}z` });
      put(mark, 'title', {}, `${timeOfDay(view.timezone, event.at, true)}: ${event.what}`);
    }
  }
  const now = put(svg, 'path', { class: 'now' });
  const label = compact ? null : put(svg, 'text', { class: 'tick now-label', y: top - 0.7 * em, 'text-anchor': 'middle' }, 'now');
  const cursor = put(svg, 'path', { class: 'cursor' });
  const dot = put(svg, 'circle', { class: 'dot', r: compact ? 2.5 : 0.28 * em });
  return {
    setNow(at) {
      // By half pixels: each move is painted, and a finer one is not seen.
      const place = (Math.round(2 * x(Math.min(Math.max(at, start), end))) / 2).toFixed(1);
      if (now.dataset.place === place) return;
      now.dataset.place = place;
      now.setAttribute('d', `M${place} ${top}V${bottom}`);
      if (label) label.setAttribute('x', place);
    },
    setCursor(n) {
      const at = view.at[n];
      const later = view.ahead.indexOf(at);
      const value = later >= 0 ? q.q50[later] : series.measured[n];
      cursor.setAttribute('d', `M${x(at).toFixed(1)} ${top}V${bottom}`);
      dot.setAttribute('cx', x(at));
      dot.setAttribute('cy', isNumber(value) ? y(value) : -99);
    },
    indexAt(clientX) {
      const rect = svg.getBoundingClientRect();
      const share = (((clientX - rect.left) / rect.width) * width - left) / (right - left);
      return Math.round(Math.min(Math.max(share, 0), 1) * (view.at.length - 1));
    },
  };
}
