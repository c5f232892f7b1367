// The visitor's hands, in a practice world only: what can be broken is asked for, never assumed.

const STATE = '/practice/state';
const POLL_MS = 3000;
// what the switches of services are called here; which ones there are, each service says
const MODES = {
  healthy: 'fine',
  error: 'server error',
  slow: 'slow',
  refuse: 'refuses',
  hang: 'hangs',
  stall: 'stalls',
  cut: 'cut',
  limit: '429',
  overload: 'overload',
  error_inside: 'error in 200',
  empty: 'empty',
  endless: 'endless',
};
const LINKS = [
  ['open', 'fine'],
  ['slow', 'slow'],
  ['cut', 'cut off'],
];

const section = document.getElementById('practice');
const inside = document.getElementById('practice-in');
const rows = new Map();

async function post(path, body) {
  const answer = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (answer.ok) show(await answer.json());
}

function element(name, props, ...children) {
  const made = Object.assign(document.createElement(name), props);
  made.append(...children);
  return made;
}

// A row of buttons of which one is pressed; made once, so that focus stays where it is.
function choice(grid, key, name, options, press) {
  if (!rows.has(key)) {
    const buttons = options.map(([value, label]) => {
      const button = element('button', { type: 'button', textContent: label });
      if (value === options[0][0]) button.dataset.calm = '';
      button.addEventListener('click', () => press(value));
      return [value, button];
    });
    const group = element('span', { className: 'choice' }, ...buttons.map(([, button]) => button));
    group.setAttribute('role', 'group');
    group.setAttribute('aria-label', name);
    const label = element('span', { className: 'name', textContent: name });
    grid.append(element('div', { className: 'practice-row' }, label, group));
    rows.set(key, buttons);
  }
  return (now) => {
    for (const [value, button] of rows.get(key)) {
      button.setAttribute('aria-pressed', String(value === now));
    }
  };
}

function grid(id, title) {
  const known = document.getElementById(id);
  if (known) return known;
  const made = element('div', { id, className: 'practice-grid' });
  made.setAttribute('role', 'group');
  made.setAttribute('aria-label', title);
  inside.append(made);
  return made;
}

function show(state) {
  section.hidden = false;
  const services = grid('practice-services', 'Services and references');
  for (const { name, mode, modes } of state.services) {
    const press = (value) =>
      post(`/practice/services/${encodeURIComponent(name)}`, { mode: value });
    const options = modes.map((word) => [word, MODES[word] ?? word]);
    choice(services, `s-${name}`, name, options, press)(mode);
  }
  const regions = grid('practice-regions', 'Regions');
  // the way to the collector is not among what a region's switch cuts
  const probes = state.links.filter((l) => l.to !== 'collector');
  for (const region of new Set(probes.map((l) => l.region))) {
    const states = new Set(probes.filter((l) => l.region === region).map((l) => l.state));
    const press = (value) => post(`/practice/regions/${encodeURIComponent(region)}`, { state: value });
    choice(regions, `r-${region}`, `network of ${region}`, LINKS, press)(states.size === 1 ? [...states][0] : '');
  }
  if (!rows.has('heal')) {
    const heal = element('button', { type: 'button', className: 'heal', textContent: 'Heal everything' });
    heal.addEventListener('click', () => post('/practice/heal', {}));
    inside.append(heal);
    rows.set('heal', []);
  }
}

async function look() {
  try {
    const answer = await fetch(STATE);
    if (answer.ok) show(await answer.json());
  } catch {
    // the page itself says that the collector does not answer
  }
}

if (section) {
  look();
  setInterval(look, POLL_MS);
}
