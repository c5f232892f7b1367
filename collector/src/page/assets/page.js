// Keeps the page true: listens to the event stream, fetches the page anew when something turned, and
// lays the new words over the old ones without disturbing focus, scrolling or what is being read.
// Without the stream it asks every few seconds; without an answer it says so.

const QUIET_MS = 1000; // least time between two fetches
const POLL_MS = 5000; // pace without a stream
const LOST_MS = 12000; // after so long without an answer, what is shown is called old
const DAY = { hourCycle: 'h23' };

const link = document.getElementById('link');
const word = document.getElementById('link-word');
const said = document.getElementById('said');
const live = () => document.getElementById('live');

let streaming = false;
let fetching = false;
let wanted = false;
let fetched = Date.now();
let ahead = Number(live().dataset.now) - Date.now(); // the collector's clock, seen from ours

function lapse(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  const two = (big, unit, small, part) => (small ? `${big} ${unit} ${small} ${part}` : `${big} ${unit}`);
  if (s < 60) return `${s} s`;
  if (s < 3600) return two(Math.floor(s / 60), 'min', s % 60, 's');
  if (s < 86400) return two(Math.floor(s / 3600), 'h', Math.floor((s % 3600) / 60), 'min');
  return two(Math.floor(s / 86400), 'd', Math.floor((s % 86400) / 3600), 'h');
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function clock(at) {
  const sameDay = at.toDateString() === new Date(Date.now() + ahead).toDateString();
  return sameDay ? at.toLocaleTimeString(undefined, DAY) : at.toLocaleString(undefined, DAY);
}

// Times in the reader's own zone (UTC stays in the tooltip), and lapses that go on by themselves.
function tell(root) {
  const now = Date.now() + ahead;
  for (const time of root.querySelectorAll('time')) {
    const at = new Date(time.dateTime);
    if ('ago' in time.dataset) setText(time, `${lapse(now - at)} ago`);
    else if ('lapse' in time.dataset) setText(time, lapse(now - at));
    else if ('clock' in time.dataset) setText(time, clock(at));
  }
}

function connection() {
  const age = Date.now() - fetched;
  const lost = age > LOST_MS && !document.hidden;
  document.body.classList.toggle('stale', lost);
  link.dataset.state = lost ? 'lost' : streaming ? 'live' : 'polling';
  const at = new Date(fetched + ahead).toLocaleTimeString(undefined, DAY);
  if (lost) setText(word, `no answer for ${lapse(age)}: this is how it was at ${at}`);
  else setText(word, streaming ? 'live' : `every ${POLL_MS / 1000} s, last at ${at}`);
}

// Makes `old` like `fresh`, touching only what differs. Elements with an id are matched by it.
function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE || 'keep' in old.dataset) return;
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  children(old, fresh);
}

function children(old, fresh) {
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const known = child.id && [...old.children].find((c) => c.id === child.id);
    if (known && known !== at) old.insertBefore(known, at);
    const partner = known || at;
    if (!partner || (!known && partner.id && partner.id !== (child.id || ''))) {
      old.insertBefore(child, at);
      continue;
    }
    at = partner.nextSibling;
    morph(partner, child);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

async function refresh() {
  if (document.hidden) return;
  if (fetching) {
    wanted = true;
    return;
  }
  fetching = true;
  try {
    const answer = await fetch(location.href, { signal: AbortSignal.timeout(LOST_MS) });
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const fresh = page.getElementById('live');
    if (answer.ok && fresh) {
      fetched = Date.now();
      ahead = Number(fresh.dataset.now) - fetched;
      tell(fresh);
      morph(live(), fresh);
      if (document.title !== page.title) document.title = page.title;
    }
  } catch {
    // said by connection(), again and again until it is over
  }
  connection();
  setTimeout(() => {
    fetching = false;
    if (wanted) {
      wanted = false;
      refresh();
    }
  }, QUIET_MS);
}

function listen() {
  const events = new EventSource('/api/v1/events');
  events.onopen = () => {
    streaming = true;
    refresh();
  };
  events.onerror = () => {
    streaming = false;
    connection();
    // a refused stream (too many listeners) is not tried again by the browser itself
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 4 * POLL_MS);
  };
  for (const name of ['turned', 'updated', 'standing', 'agent', 'config', 'lagged']) {
    events.addEventListener(name, refresh);
  }
  for (const [name, lead] of [['opened', 'New fault'], ['closed', 'Over']]) {
    events.addEventListener(name, (event) => {
      setText(said, `${lead}: ${JSON.parse(event.data).title}`);
      refresh();
    });
  }
}

document.addEventListener('visibilitychange', refresh);
setInterval(() => {
  tell(document);
  connection();
}, 1000);
// also with a stream: between looks far apart a page should still know that the collector answers
setInterval(refresh, POLL_MS);
tell(document);
listen();
