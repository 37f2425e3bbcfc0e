/**
 * Runs in the browser. Text from the server becomes only text nodes and attributes, never markup.
 */
export const script = `
'use strict'
const SVG = 'http://www.w3.org/2000/svg'
const REFRESH = 2000
let axis = 'txid'
let latest

function element(name, attributes, ...children) {
  const node = document.createElement(name)
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value)
  node.append(...children.filter((child) => child !== undefined && child !== null))
  return node
}

function shape(name, attributes, text) {
  const node = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  if (text !== undefined) node.textContent = text
  return node
}

const hex = (txid) => txid.toString(16).padStart(16, '0')
const clock = (ms) => new Date(ms).toLocaleTimeString()
const moment = (ms) => new Date(ms).toLocaleString()

function bytes(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let i = 0
  while (n >= 1024 && i < units.length - 1) { n /= 1024; i++ }
  return (n < 10 && i > 0 ? n.toFixed(1) : Math.round(n)) + ' ' + units[i]
}

function duration(ms) {
  if (ms < 1000) return Math.round(ms) + ' ms'
  const s = ms / 1000
  if (s < 60) return s.toFixed(1) + ' s'
  if (s < 3600) return Math.floor(s / 60) + ' min ' + Math.floor(s % 60) + ' s'
  return Math.floor(s / 3600) + ' h ' + Math.floor((s % 3600) / 60) + ' min'
}

function titled(svg, title) {
  svg.prepend(shape('title', {}, title))
  svg.setAttribute('role', 'img')
  svg.setAttribute('aria-label', title)
  return svg
}

function lagChart(samples) {
  const width = 900, height = 110, left = 60, bottom = 18
  const svg = shape('svg', { viewBox: '0 0 ' + width + ' ' + height })
  if (samples.length < 2) return element('p', { class: 'empty' }, 'The first samples come after a few seconds.')
  const first = samples[0][0], last = samples[samples.length - 1][0]
  const top = Math.max(1000, ...samples.map((s) => s[1]))
  const x = (t) => left + ((t - first) / (last - first)) * (width - left - 4)
  const y = (lag) => height - bottom - (lag / top) * (height - bottom - 8)
  const line = samples.map((s) => x(s[0]).toFixed(1) + ',' + y(s[1]).toFixed(1)).join(' ')
  svg.append(
    shape('line', { class: 'axis', x1: left, x2: width, y1: y(0), y2: y(0) }),
    shape('polygon', { class: 'area', points: x(first) + ',' + y(0) + ' ' + line + ' ' + x(last) + ',' + y(0) }),
    shape('polyline', { class: 'lag', points: line }),
    shape('text', { x: left - 6, y: y(top) + 4, 'text-anchor': 'end' }, duration(top)),
    shape('text', { x: left - 6, y: y(0) + 4, 'text-anchor': 'end' }, '0'),
    shape('text', { x: left, y: height - 3 }, clock(first)),
    shape('text', { x: width - 4, y: height - 3, 'text-anchor': 'end' }, clock(last)),
  )
  return titled(svg, 'Lag of the replica, at most ' + duration(top) + ' between ' + clock(first) + ' and ' + clock(last))
}

function levelsChart(database) {
  const shown = database.levels.filter((level) => level.files > 0)
  if (shown.length === 0) return element('p', { class: 'empty' }, database.levelsError || 'The replica has no files yet.')
  const byTime = axis === 'time'
  const all = shown.flatMap((level) => level.newest)
  // A file stands for the time since the one before it in its level; a snapshot for its own moment.
  const start = (file, before) => (byTime ? (before ? before[3] : file[3]) : file[0] - 1)
  const end = (file) => (byTime ? file[3] : file[1])
  const lowest = Math.min(...all.map((file) => (byTime ? file[3] : file[0] - 1)))
  const highest = Math.max(...all.map(end))
  const width = 900, left = 130, right = 120, row = 22
  const height = shown.length * row + 40
  const span = Math.max(1, highest - lowest)
  const x = (v) => left + ((v - lowest) / span) * (width - left - right)
  const svg = shape('svg', { viewBox: '0 0 ' + width + ' ' + height })
  shown.forEach((level, i) => {
    const y = i * row + 4
    svg.append(
      shape('text', { x: 0, y: y + 12 }, level.level === 9 ? 'snapshots' : 'level ' + level.level),
      shape('line', { class: 'axis', x1: left, x2: width - right, y1: y + row - 3, y2: y + row - 3 }),
      shape('text', { x: width, y: y + 12, 'text-anchor': 'end' }, level.files + ' files, ' + bytes(level.bytes)),
    )
    level.newest.forEach((file, j) => {
      const from = x(start(file, level.level === 9 ? undefined : level.newest[j - 1]))
      const to = x(end(file))
      // A snapshot holds everything up to its TXID: its end is what tells it from the others.
      const tick = level.level === 9
      if (tick && !byTime) svg.append(shape('rect', { class: 'snapshot', x: from.toFixed(2), y: y + 3, width: (to - from).toFixed(2), height: 8 }))
      const begin = tick ? to - 3 : from
      const bar = shape('rect', { class: 'file', x: begin.toFixed(2), y, width: Math.max(2, to - begin).toFixed(2), height: 14, rx: 1.5 })
      bar.append(shape('title', {}, hex(file[0]) + ' – ' + hex(file[1]) + ', ' + bytes(file[2]) + ', ' + moment(file[3])))
      svg.append(bar)
    })
  })
  const y = shown.length * row + 8
  // The earliest state is the end of the shortest file that holds a whole database.
  const whole = all.filter((file) => file[0] === 1).sort((a, b) => a[1] - b[1])[0]
  const first = whole ? (byTime ? whole[3] : whole[1] - 1) : highest
  const times = all.map((file) => file[3])
  svg.append(
    shape('text', { x: 0, y: y + 9 }, 'restorable'),
    shape('rect', { class: 'range', x: x(first), y, width: Math.max(2, x(highest) - x(first)), height: 10, rx: 1.5 }),
    shape('text', { x: left, y: y + 24 }, byTime ? moment(lowest) : 'TXID ' + hex(lowest + 1)),
    shape('text', { x: width - right, y: y + 24, 'text-anchor': 'end' }, byTime ? moment(highest) : 'TXID ' + hex(highest)),
  )
  return titled(svg, 'Files of each level; restorable from ' + moment(whole ? whole[3] : Math.max(...times)) + ' to ' + moment(Math.max(...times)))
}

function axisButton(name, label) {
  const button = element('button', { type: 'button', 'aria-pressed': String(axis === name), 'data-axis': name }, label)
  button.addEventListener('click', () => { axis = name; render(latest) })
  return button
}

function figure(label, value) {
  return [element('dt', {}, label), element('dd', {}, value)]
}

// Only a database that is replicated, or stands by, is green.
function stateClass(database) {
  if (!database.ok) return 'bad'
  return database.label === 'replicating' || database.label === 'standby' ? 'ok' : 'warn'
}

function card(database, now) {
  const figures = [
    ['Local TXID', hex(database.txid)],
    ['Replica TXID', database.replicaTxid === undefined ? 'not asked yet' : hex(database.replicaTxid)],
    ['Lag', duration(database.lagMs)],
    ['Last complete', database.lastSyncAt === undefined ? 'not yet' : duration(Math.max(0, now - database.lastSyncAt)) + ' ago'],
    ['Database', bytes(database.databaseSize)],
    ['WAL', bytes(database.walSize)],
  ]
  return element('section', { 'data-db': database.path },
    element('div', { class: 'head' },
      element('h2', {}, database.path),
      element('span', { class: 'state ' + stateClass(database) }, database.label)),
    element('p', { class: 'replica' }, '→ ' + database.replica),
    database.error ? alertOf(database.error.operation + ': ' + database.error.message, database.error) : undefined,
    !database.error && database.reason ? element('p', { class: 'error', role: 'alert' },
      database.reason, database.divergenceHint ? element('span', { class: 'hint' }, ' ' + database.divergenceHint) : undefined) : undefined,
    element('dl', {}, ...figures.map(([label, value]) => element('div', {}, ...figure(label, value)))),
    element('div', { class: 'figures' },
      element('div', {}, element('h3', {}, 'Lag'), lagChart(database.lagHistory)),
      element('div', {}, element('h3', {}, 'Levels', axisButton('txid', 'by TXID'), axisButton('time', 'by time')), levelsChart(database))))
}

function alertOf(text, fault) {
  return element('p', { class: 'error', role: 'alert' },
    text + ' (since ' + clock(fault.since) + ')', fault.hint ? element('span', { class: 'hint' }, ' ' + fault.hint) : undefined)
}

/** The listeners, directories and other parts that do not work. */
function partsCard(parts) {
  return element('section', { 'data-parts': '' },
    ...parts.map((part) => alertOf(part.part + ' ' + part.name + ': ' + part.message, part)))
}

function replicaCard(replica, now) {
  const figures = [
    ['TXID', hex(replica.txid)],
    ['Written', moment(replica.timestamp)],
    ['Last contact', duration(replica.lagMs) + ' ago'],
    ['Connections', String(replica.connections)],
    ['Database', bytes(replica.databaseSize)],
    ['In memory', bytes(replica.cacheBytes)],
    ['Local copy', replica.hydration === 0 ? 'none' : (replica.hydration * 100).toFixed(1) + ' %'],
    ['Served here', String(replica.hits)],
    ['Fetched for', String(replica.misses)],
    ['Requests', replica.requests + ', ' + bytes(replica.fetchedBytes)],
    ['Pages ahead', replica.pagesAhead + ' of ' + (replica.pagesAhead + replica.pagesWanted)],
  ]
  return element('section', { 'data-replica': replica.url },
    element('div', { class: 'head' },
      element('h2', {}, replica.url),
      element('span', { class: 'state ' + (replica.ok ? 'ok' : 'bad') }, replica.ok ? 'reading' : 'behind')),
    element('dl', { class: 'spaced' }, ...figures.map(([label, value]) => element('div', {}, ...figure(label, value)))),
    hydrationBar(replica.hydration),
    element('div', {}, element('h3', {}, 'Time since the last contact'), lagChart(replica.lagHistory)))
}

function hydrationBar(share) {
  if (share === 0) return undefined
  const svg = shape('svg', { viewBox: '0 0 900 14' })
  svg.append(shape('rect', { class: 'range', width: 900, height: 10, rx: 2 }), shape('rect', { class: 'file', width: 900 * share, height: 10, rx: 2 }))
  return titled(svg, 'Local copy: ' + (share * 100).toFixed(1) + ' % of the pages')
}

function render(status) {
  latest = status
  document.getElementById('process').textContent =
    'version ' + status.version + ', running for ' + duration(status.now - status.startedAt)
  const parts = status.parts.length ? [partsCard(status.parts)] : []
  const cards = status.databases.map((database) => card(database, status.now))
    .concat(status.replicas.map((replica) => replicaCard(replica, status.now)))
  document.getElementById('databases').replaceChildren(
    ...parts, ...(cards.length ? cards : [element('p', { class: 'empty' }, 'No databases are configured.')]))
}

async function refresh() {
  const contact = document.getElementById('contact')
  try {
    const response = await fetch('/status.json')
    if (!response.ok) throw new Error(await response.text())
    render(await response.json())
    contact.textContent = ''
    contact.className = ''
  } catch (error) {
    contact.textContent = 'No contact with the process: ' + error.message
    contact.className = 'lost'
  }
  setTimeout(refresh, REFRESH)
}
refresh()
`
