// The report without this script is whole. The script adds a choice of series, values on hover, and zoom over time.

const charts = document.querySelectorAll('figure.chart');
const series = [...document.querySelectorAll('details.series')];

function make(parent, tag, name) {
  const made = document.createElement(tag);
  made.className = name;
  parent.append(made);
  return made;
}

document.body.classList.add('chosen');

// One series at a time, with links to its own sections.
if (series.length > 1) {
  const choice = document.querySelector('.choice');
  const select = choice.querySelector('select');
  const links = [...document.querySelectorAll('nav a[data-part]')];
  select.onchange = () => {
    series.forEach((one, n) => { one.open = n === select.selectedIndex; one.hidden = !one.open; });
    const suffix = series[select.selectedIndex].dataset.suffix;
    for (const link of links) link.hash = link.dataset.part + suffix;
  };
  choice.hidden = false;
  select.onchange();
}

// A path holds the data: by x, the lowest and highest y (upside down in SVG).
function read(path) {
  const found = new Map();
  let x = 0;
  for (const [, letter, first, second] of path.getAttribute('d').matchAll(/([MLV])(-?[\d.]+)(?: (-?[\d.]+))?/g)) {
    if (letter !== 'V') x = Number(first);
    const y = 0 - Number(letter === 'V' ? first : second);
    const [low, high] = found.get(x) ?? [y, y];
    found.set(x, [Math.min(low, y), Math.max(high, y)]);
  }
  return found;
}

function activate(figure) {
  const plot = figure.querySelector('.plot');
  const svg = plot.querySelector('svg');
  const { unit, start, zone, labels } = figure.dataset;
  const names = labels?.split('|');
  const marks = [...svg.querySelectorAll('path[data-name]')].map((path) => [path.dataset.name, read(path)]);
  const xs = [...new Set(marks.flatMap(([, values]) => [...values.keys()]))].sort((a, b) => a - b);
  const whole = svg.viewBox.baseVal;
  const [left, right] = [whole.x, whole.x + whole.width];
  const before = [svg.getAttribute('viewBox'), plot.querySelector('.ys').innerHTML, plot.querySelector('.xs').innerHTML,
    svg.querySelector('.lines').getAttribute('d')];
  const rule = make(plot, 'div', 'rule');
  const tip = make(plot, 'div', 'tip');
  const back = make(figure, 'button', 'back');
  back.textContent = 'Show all';
  tip.setAttribute('role', 'status');
  let shown = [left, right];
  let at = null;
  let from = null;
  const plain = (y) => (unit === '%' ? `${(100 * y).toFixed(1)} %` : (y || 0).toLocaleString('en', { maximumSignificantDigits: 5 }));
  const number = (y) => plain(y).replace('-', '\u2212');
  const clock = (x, options) => new Intl.DateTimeFormat('en-GB', { timeZone: zone, ...options }).format(1000 * start + 60000 * x);
  const percent = (x) => (100 * (x - shown[0])) / (shown[1] - shown[0]);

  function hide() { rule.style.display = tip.style.display = 'none'; at = null; }

  function tell(x) {
    at = x;
    const place = names ? Math.round(x) : x;
    const same = (values) => [...values].filter(([key]) => (names ? Math.round(key) : key) === place).map(([, ends]) => ends);
    const lines = [];
    let interval = '';
    for (const [name, values] of marks) {
      for (const [low, high] of same(values)) {
        const text = low === high ? number(low) : `${number(low)} to ${number(high)}`;
        if (!name) interval = ` (${text})`;
        else { lines.push(`${name}: ${text}${interval}`); interval = ''; }
      }
    }
    const title = names ? names[place] : clock(x, { weekday: 'short', day: '2-digit', month: 'short', hour: '2-digit', minute: '2-digit' });
    tip.replaceChildren(...[title, ...lines].map((line, n) => Object.assign(document.createElement(n ? 'span' : 'b'), { textContent: line })));
    rule.style.display = tip.style.display = 'block';
    rule.style.left = `${percent(x)}%`;
    tip.classList.toggle('left', percent(x) > 50);
    tip.style.left = percent(x) > 50 ? 'auto' : `${percent(x)}%`;
    tip.style.right = percent(x) > 50 ? `${100 - percent(x)}%` : 'auto';
  }

  function zoom(begin, end) {
    shown = [Math.max(left, begin), Math.min(right, end)];
    const all = shown[0] <= left && shown[1] >= right;
    figure.classList.toggle('zoomed', !all);
    hide();
    if (all) {
      svg.setAttribute('viewBox', before[0]);
      plot.querySelector('.ys').innerHTML = before[1];
      plot.querySelector('.xs').innerHTML = before[2];
      svg.querySelector('.lines').setAttribute('d', before[3]);
      return;
    }
    const inside = marks.flatMap(([, values]) => [...values].filter(([x]) => x >= shown[0] && x <= shown[1]).flatMap(([, ends]) => ends));
    let [low, high] = [Math.min(...inside), Math.max(...inside)];
    const room = 0.05 * (high - low || 1);
    [low, high] = [low - room, high + room];
    svg.setAttribute('viewBox', `${shown[0]} ${-high} ${shown[1] - shown[0]} ${high - low}`);
    const rough = (high - low) / 6;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((times) => times * power >= rough);
    const values = [];
    for (let n = Math.ceil(low / step); n * step <= high; n++) values.push(n * step);
    svg.querySelector('.lines').setAttribute('d', values.map((y) => `M${left} ${-y}H${right}`).join(''));
    plot.querySelector('.ys').innerHTML = values.map((y) => `<span style="top: ${(100 * (high - y)) / (high - low)}%">${number(y)}</span>`).join('');
    const every = [5, 10, 15, 30, 60, 180, 360, 720, 1440].find((minutes) => (shown[1] - shown[0]) / minutes <= 7) ?? 1440;
    const ticks = [];
    for (let x = Math.ceil(shown[0] / every) * every; x <= shown[1]; x += every) {
      ticks.push(`<span style="left: ${percent(x)}%">${clock(x, { hour: '2-digit', minute: '2-digit' })}</span>`);
    }
    plot.querySelector('.xs').innerHTML = ticks.join('');
  }

  function under(event) {
    const box = svg.getBoundingClientRect();
    return shown[0] + (Math.min(1, Math.max(0, (event.clientX - box.left) / box.width))) * (shown[1] - shown[0]);
  }
  const nearest = (x) => xs.reduce((best, one) => (Math.abs(one - x) < Math.abs(best - x) ? one : best), xs[0]);

  hide();
  if (!xs.length) return;
  const brush = make(plot, 'div', 'brush');
  svg.onpointermove = (event) => {
    tell(nearest(under(event)));
    if (from === null) return;
    const ends = [percent(from), percent(under(event))].sort((a, b) => a - b);
    Object.assign(brush.style, { display: 'block', left: `${ends[0]}%`, width: `${ends[1] - ends[0]}%` });
  };
  svg.onpointerleave = () => { if (from === null) hide(); };
  svg.onpointerdown = (event) => {
    if (!start) return;
    from = under(event);
    svg.setPointerCapture(event.pointerId);
  };
  svg.onpointercancel = () => { from = null; brush.style.display = 'none'; };
  svg.onpointerup = (event) => {
    if (from === null) return;
    const ends = [from, under(event)].sort((a, b) => a - b);
    svg.onpointercancel();
    if (ends[1] - ends[0] > 0.03 * (shown[1] - shown[0])) zoom(...ends);
  };
  svg.ondblclick = back.onclick = () => zoom(left, right);
  plot.onkeydown = (event) => {
    const visible = xs.filter((x) => x >= shown[0] && x <= shown[1]);
    const index = at === null ? -1 : visible.indexOf(at);
    const half = (shown[1] - shown[0]) / 4;
    if (event.key === 'ArrowRight') tell(visible[Math.min(visible.length - 1, index + 1)]);
    else if (event.key === 'ArrowLeft') tell(visible[Math.max(0, index - 1)]);
    else if (event.key === '+' && start && at !== null) zoom(at - half, at + half);
    else if (event.key === 'Escape') zoom(left, right);
    else return;
    event.preventDefault();
  };
  plot.onblur = hide;
}

// Charts are read when they come into sight, so that a page of many series opens at once.
const watcher = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (isIntersecting) { watcher.unobserve(target); activate(target); }
  }
});
charts.forEach((figure) => watcher.observe(figure));
