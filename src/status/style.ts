export const style = `
:root { color-scheme: light dark; --bg: #f7f7f5; --card: #fff; --ink: #1c1c1a; --soft: #6b6b66; --line: #dededa; --ok: #1a7f37; --bad: #c62828; --warn: #9a6700; --bar: #3b6fb6; --bar2: #9bb8de; }
@media (prefers-color-scheme: dark) { :root { --bg: #161615; --card: #1f1f1d; --ink: #ecece8; --soft: #9a9a93; --line: #383834; --ok: #4ac26b; --bad: #ff7b72; --warn: #d29922; --bar: #6ea0e6; --bar2: #36506f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 15px/1.45 system-ui, sans-serif; }
header, main { max-width: 62rem; margin: 0 auto; padding: 1rem; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 1.5rem; }
h1 { font-size: 1.2rem; margin: 0; }
header p { margin: 0; color: var(--soft); }
#contact.lost { color: var(--bad); font-weight: 600; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1rem 1.2rem; margin: 0 0 1rem; }
h2 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; }
.head { display: flex; flex-wrap: wrap; gap: .3rem 1rem; align-items: baseline; }
.state { font-weight: 600; }
.state.ok::before { content: "● "; color: var(--ok); }
.state.warn::before { content: "● "; color: var(--warn); }
.state.bad::before { content: "● "; color: var(--bad); }
.replica { color: var(--soft); margin: .1rem 0 .8rem; overflow-wrap: anywhere; }
.error { color: var(--bad); margin: 0 0 .8rem; overflow-wrap: anywhere; }
dl { display: flex; flex-wrap: wrap; gap: .6rem 2.2rem; margin: 0 0 1rem; }
dt { color: var(--soft); font-size: .8rem; }
dd { margin: 0; font-variant-numeric: tabular-nums; font-size: 1.05rem; }
h3 { font-size: .85rem; font-weight: 600; color: var(--soft); margin: 0 0 .3rem; }
dl.spaced { margin-top: .8rem; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; font-variant-numeric: tabular-nums; }
svg .axis { stroke: var(--line); }
svg .lag { fill: none; stroke: var(--bar); stroke-width: 1.5; }
svg .area { fill: var(--bar2); opacity: .45; }
svg rect.file { fill: var(--bar); stroke: var(--card); stroke-width: .5; }
svg rect.range, svg rect.snapshot { fill: var(--bar2); }
.figures { display: grid; gap: 1.2rem; }
.empty { color: var(--soft); }
button { font: inherit; font-size: .8rem; color: inherit; background: none; border: 1px solid var(--line); border-radius: 5px; padding: .05rem .5rem; cursor: pointer; margin-left: .6rem; }
button[aria-pressed=true] { background: var(--bar2); }
`
