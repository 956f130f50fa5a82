// Times and numbers as people read them. Times are those of the region; values arrive in MW.

const formats = new Map();

function format(zone, options, language = 'en-GB') {
  const key = zone + language + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(language, { timeZone: zone, ...options }));
  return formats.get(key);
}

const TIME = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' };

function offsetOf(zone, at) {
  return format(zone, { timeZoneName: 'longOffset' }).formatToParts(at).find((part) => part.type === 'timeZoneName').value;
}

// The name of the zone at a time, such as EDT; en-US knows the American names.
function zoneName(zone, at) {
  const parts = format(zone, { timeZoneName: 'short' }, 'en-US').formatToParts(at);
  return parts.find((part) => part.type === 'timeZoneName').value;
}

// Whether the zone's clock changes between two times: then a time of day alone may be ambiguous.
export function changesBetween(zone, first, last) {
  return offsetOf(zone, first) !== offsetOf(zone, last);
}

export function timeOfDay(zone, at, named = false) {
  return format(zone, TIME).format(at) + (named ? ` ${zoneName(zone, at)}` : '');
}

export function moment(zone, at) {
  const day = format(zone, { weekday: 'short', day: 'numeric', month: 'short' }).format(at);
  return `${day} ${timeOfDay(zone, at, true)}`;
}

export function utc(at) {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}

export function minuteOf(zone, at) {
  return Number(format(zone, { minute: 'numeric' }).format(at));
}

export function hourOf(zone, at) {
  return Number(format(zone, { hour: 'numeric', hourCycle: 'h23' }).format(at));
}

export function age(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  if (seconds < 60) return 'less than a minute';
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return minutes === 1 ? '1 minute' : `${minutes} minutes`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} hours` : `${Math.floor(hours / 24)} days`;
}

export const DASH = '–';

const numbers = new Map();

export function number(value, digits) {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  if (!numbers.has(digits)) numbers.set(digits, new Intl.NumberFormat('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  const text = numbers.get(digits).format(value);
  return (/[1-9]/.test(text) ? text : text.replace('-', '')).replace('-', '−');
}

export function signed(value, digits) {
  const text = number(value, digits);
  return value > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

// A sentence whose lines do not break between a number and its unit.
export function unbroken(text) {
  return text.replace(/(\d) (?=%|[kMG]W\b)/g, '$1\u00a0');
}

export function percent(share, digits = 0) {
  return share === null || share === undefined ? DASH : `${number(100 * share, digits)} %`;
}
