// How the page looks and what its script does. No fonts, no images, no requests. Colours: Okabe and Ito's, safe for colour-blind
// readers, darkened or lightened until texts in them have a contrast of 4.5 to 1.
#include <lathe/nas/transformer/report_page.h>

namespace lathe::nas {

const char* const kReportStyle = R"css(
:root { color-scheme: light dark; --fg: #1b1f24; --bg: #ffffff; --panel: #f5f7f9; --soft: #59636e; --rule: #d5dbe1; --grid: #e7ebef; --best: #c24e00; --trial: #0072b2; --second: #007a59; --third: #a3507f; --luck: #8a6d00; --good: #007a59; --bad: #c24e00; }
@media (prefers-color-scheme: dark) { :root { --fg: #e6edf3; --bg: #0d1117; --panel: #161b22; --soft: #9aa4af; --rule: #3d444d; --grid: #262c34; --best: #f0a030; --trial: #56b4e9; --second: #2fbf93; --third: #e29ac4; --luck: #d9c24a; --good: #2fbf93; --bad: #f0a030; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; color: var(--fg); background: var(--bg); max-width: 62rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; overflow-wrap: break-word; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: .2rem 0 .1rem; } h2 { font-size: 1.3rem; margin: 0 0 .8rem; } h3 { font-size: 1rem; margin: 1.8rem 0 .3rem; }
h2 small { color: var(--soft); font-weight: 400; margin-right: .5rem; font-variant-numeric: tabular-nums; }
p { margin: .4rem 0 .8rem; max-width: 46rem; } .soft, em, i { color: var(--soft); font-style: normal; } p.soft { font-size: .9rem; }
section { margin-top: 2.6rem; padding-top: 1.4rem; border-top: 1px solid var(--rule); }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; margin: 1rem 0 0; font-size: .9rem; } a { color: var(--trial); text-decoration: none; } a:hover { text-decoration: underline; }
.lead { font-size: 1.1rem; margin: 1.2rem 0 0; max-width: 46rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 1.2rem 0 0; }
.card { background: var(--panel); border-radius: 8px; padding: .7rem .9rem .8rem; } .card b { display: block; font-size: 1.45rem; line-height: 1.25; font-weight: 600; font-variant-numeric: tabular-nums; } .card span { display: block; color: var(--soft); font-size: .82rem; line-height: 1.35; }
ul.say { list-style: none; margin: 1rem 0 0; padding: 0; max-width: 46rem; } ul.say li { padding: .3rem 0 .3rem .9rem; border-left: 3px solid var(--rule); margin: .4rem 0; } ul.say li.warn { border-color: var(--bad); }
table { border-collapse: collapse; margin: .5rem 0; font-size: .88rem; line-height: 1.4; } .wide { overflow-x: auto; }
th, td { padding: .32rem .75rem .32rem 0; border-bottom: 1px solid var(--grid); text-align: left; vertical-align: top; } th { font-weight: 600; } tr:first-child th[scope=col] { color: var(--soft); font-weight: 500; border-color: var(--rule); vertical-align: bottom; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; padding-left: .5rem; } td.keep { white-space: nowrap; } td small { display: block; color: var(--soft); font-weight: 400; font-size: .8rem; } table.trials td:not(:nth-child(2)):not(:nth-child(6)):not(:nth-child(7)) { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; padding-left: .5rem; } td.text { min-width: 16rem; }
tr.winner td { font-weight: 600; } tr.on td { background: var(--panel); } td.right { background: var(--panel); font-weight: 600; } table.facts th { color: var(--soft); font-weight: 400; padding-right: 1.2rem; }
.badge { font-size: .72rem; font-weight: 600; color: var(--bg); background: var(--best); border-radius: 4px; padding: .05rem .35rem; margin-left: .4rem; vertical-align: 1px; }
code, pre { font: .84rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; } pre { overflow-x: auto; padding: .8rem 1rem; background: var(--panel); border-radius: 8px; } td code { overflow-wrap: anywhere; }
button { font: inherit; font-size: .78rem; color: var(--trial); background: none; border: 1px solid var(--rule); border-radius: 5px; padding: 0 .45rem; margin-left: .5rem; cursor: pointer; }
details { margin: .5rem 0; } summary { cursor: pointer; color: var(--trial); font-size: .9rem; }
figure { margin: 1.2rem 0 .6rem; max-width: 44rem; } figure:has(.parallel) { max-width: none; } figcaption { font-weight: 600; margin-bottom: .2rem; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; font-size: .84rem; color: var(--soft); } .legend span { display: inline-flex; align-items: center; gap: .4rem; } svg.key { width: 24px; height: 12px; flex: none; }
svg { display: block; width: 100%; height: auto; overflow: visible; } svg text { fill: var(--fg); font-size: 12px; } svg text.axis { fill: var(--soft); } .parallel text.tick { fill: var(--soft); font-size: 11px; paint-order: stroke; stroke: var(--bg); stroke-width: 4px; stroke-linejoin: round; } .parallel text.name { font-weight: 600; }
.grid { stroke: var(--grid); fill: none; } .rule { stroke: var(--rule); fill: none; } .rule.strong { stroke: var(--fg); opacity: .7; } .limit { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 5 4; fill: none; }
.line { fill: none; stroke: var(--trial); stroke-width: 1.8; stroke-linejoin: round; } .point { fill: var(--trial); } .band { fill: var(--trial); opacity: .16; stroke: none; }
.line.grey { stroke: var(--soft); stroke-width: 1; opacity: .35; } .point.grey { fill: var(--soft); opacity: .5; } .line.best { stroke: var(--best); stroke-width: 2.2; } .point.best { fill: var(--best); } .band.best { fill: var(--best); }
.line.second { stroke: var(--second); stroke-dasharray: 7 3; } .point.second { fill: var(--second); } .line.third { stroke: var(--third); stroke-dasharray: 2 3; } .point.third { fill: var(--third); }
.line.default { stroke: var(--fg); stroke-dasharray: 9 3 2 3; } .point.default { fill: var(--fg); } .line.luck { stroke: var(--luck); stroke-dasharray: 4 3; } .band.luck { fill: var(--luck); } .point.trial { fill-opacity: .75; }
.dots { fill: none; stroke: var(--trial); stroke-width: 7; stroke-linecap: round; opacity: .7; } .dots.grey { stroke: var(--soft); stroke-width: 6.4; opacity: .38; } .parallel .line.trial { stroke-width: 1.3; opacity: .8; } .parallel .line.grey { opacity: .28; } .line.winner { stroke-width: 2.6; }
.on { stroke: var(--fg); stroke-width: 2; fill-opacity: 1; opacity: 1; } path.line.on { stroke: var(--best); stroke-width: 3; opacity: 1; } svg [tabindex]:focus { outline: none; stroke: var(--fg); stroke-width: 2.5; }
.bars { display: grid; grid-template-columns: auto minmax(4rem, 24rem) auto; gap: .3rem .9rem; font-size: .9rem; align-items: center; justify-content: start; } .bars > div { display: contents; } .bars [role=cell] { font-variant-numeric: tabular-nums; text-align: right; } .track { height: .7rem; background: var(--panel); border-radius: 3px; overflow: hidden; } .track span { display: block; height: 100%; background: var(--trial); }
.smalls { display: grid; grid-template-columns: repeat(auto-fill, minmax(11.5rem, 1fr)); gap: 1.2rem 1.6rem; margin: .8rem 0 1.4rem; font-size: .86rem; } .small em { display: block; color: var(--bad); font-size: .8rem; } .small { display: flex; flex-direction: column; } .small svg { margin-top: auto; } .small b { overflow-wrap: anywhere; } .ends { display: flex; justify-content: space-between; color: var(--soft); font-size: .8rem; gap: 1rem; }
svg.effect { width: 140px; min-width: 140px; height: 14px; } rect.good { fill: var(--good); } rect.worse { fill: var(--bad); }
.meter { display: block; width: 9rem; padding-top: .3rem; } .bar { display: block; height: .7rem; background: var(--trial); border-radius: 2px; min-width: 1px; } .pair { display: grid; grid-template-columns: minmax(0, 22rem) minmax(0, 1fr); gap: 1.5rem 2.5rem; align-items: start; }
.network { max-width: 22rem; } .block { stroke: none; } .block.embedding { fill: var(--second); fill-opacity: .28; } .block.heads { fill: var(--trial); fill-opacity: .3; } .block.ffn { fill: var(--best); fill-opacity: .28; } .block.norm { fill: var(--soft); fill-opacity: .25; } .frame { fill: none; stroke: var(--rule); } .flow { fill: none; stroke: var(--soft); stroke-width: 1.4; } .times { font-weight: 600; }
#tip { position: fixed; z-index: 2; max-width: 20rem; padding: .3rem .6rem; font-size: .82rem; line-height: 1.4; color: var(--bg); background: var(--fg); border-radius: 5px; pointer-events: none; } th[aria-sort] { cursor: pointer; } th[aria-sort=ascending]::after { content: " \2191"; } th[aria-sort=descending]::after { content: " \2193"; }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem; }
@media (max-width: 640px) { .meter { width: 4.5rem; } td.text { min-width: 12rem; } body { padding: 1rem 1rem 3rem; } svg text { font-size: 17px; } .network text { font-size: 13px; } .parallel text, .parallel text.tick { font-size: 12px; } .pair { grid-template-columns: minmax(0, 1fr); } .network { margin: 0 auto; } h1 { font-size: 1.5rem; } .cards { grid-template-columns: 1fr 1fr; } .smalls { grid-template-columns: 1fr 1fr; gap: 1rem; } }
@media print { :root { color-scheme: light; --fg: #000000; --bg: #ffffff; --panel: #f2f4f6; --soft: #444c54; --rule: #b9c0c7; --grid: #dfe3e7; --best: #c24e00; --trial: #0072b2; --second: #007a59; --third: #a3507f; --luck: #8a6d00; --good: #007a59; --bad: #c24e00; }
body { max-width: none; font-size: 10pt; padding: 0; } nav, button, summary { display: none; } figure { max-width: 15cm; } figure, .bars, svg, tr, pre, .card, .small { break-inside: avoid; } td small { font-size: 7pt; } ul.say { break-before: avoid; } h2, h3, figcaption { break-after: avoid; } section { margin-top: 1.4rem; } .wide { overflow: visible; } .parallel { min-width: 0 !important; } table { font-size: 8pt; } td.text { min-width: 0; } .pair { grid-template-columns: 9cm 1fr; } td, th { padding-right: .4rem; } * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
@page { margin: 16mm 14mm; }
)css";

const char* const kReportScript = R"js(
(() => {
  const d = document, all = (s, f) => d.querySelectorAll(s).forEach(f);
  const tip = d.body.appendChild(d.createElement('div'));
  tip.id = 'tip'; tip.hidden = true;
  const mark = (t, on) => t && all('[data-t="' + t + '"]', e => e.classList.toggle('on', on));
  let shown = null;
  const show = e => {
    const el = e.target.closest && e.target.closest('svg:not(.key) *, tr[data-t]');
    if (el === shown) return;
    if (shown) mark(shown.dataset.t, false);
    shown = el; tip.hidden = true;
    if (!el) return;
    mark(el.dataset.t, true);
    const title = el.querySelector(':scope > title');
    if (title) { el.dataset.tip = title.textContent; el.setAttribute('aria-label', title.textContent); title.remove(); }
    if (!el.dataset.tip && el.dataset.t && el.tagName !== 'TR') {
      const row = d.querySelector('table.trials tr[data-t="' + el.dataset.t + '"]');
      if (row) el.dataset.tip = '#' + [0, 1, 2, 6].map(i => row.cells[i].textContent).join('  ');
    }
    if (!el.dataset.tip || el.tagName === 'svg') return;
    tip.textContent = el.dataset.tip; tip.hidden = false;
    const b = el.getBoundingClientRect(), w = tip.offsetWidth, x = Math.min(Math.max((b.left + b.right - w) / 2, 8), innerWidth - w - 8);
    tip.style.left = x + 'px'; tip.style.top = (b.top > 60 ? b.top - tip.offsetHeight - 8 : b.bottom + 8) + 'px';
  };
  for (const event of ['pointerover', 'focusin', 'click']) d.addEventListener(event, show);
  addEventListener('scroll', () => { tip.hidden = true; }, true);
  all('table.sort', table => table.querySelectorAll('th').forEach((th, column) => {
    if (!th.textContent) return;
    th.tabIndex = 0; th.setAttribute('aria-sort', 'none');
    const sort = () => {
      const up = th.getAttribute('aria-sort') !== 'ascending';
      const key = row => { const t = row.cells[column].textContent, n = parseFloat(t.replace(/[,#]/g, '')); return isNaN(n) ? t : n; };
      const less = (a, b) => typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === 'number' ? -1 : 1;
      [...table.rows].slice(1).sort((a, b) => (up ? 1 : -1) * less(key(a), key(b))).forEach(row => row.parentNode.append(row));
      table.querySelectorAll('th').forEach(h => h.hasAttribute('aria-sort') && h.setAttribute('aria-sort', 'none'));
      th.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    };
    th.onclick = sort; th.onkeydown = e => e.key === 'Enter' && sort();
  }));
  all('code.copy', code => {
    const button = d.createElement('button');
    button.textContent = 'copy';
    button.onclick = () => navigator.clipboard.writeText(code.textContent).then(() => { button.textContent = 'copied'; });
    code.after(button);
  });
  let opened = [];
  addEventListener('beforeprint', () => { opened = [...d.querySelectorAll('details:not([open]):not(.long)')]; opened.forEach(e => { e.open = true; }); });
  addEventListener('afterprint', () => opened.forEach(e => { e.open = false; }));
})();
)js";

}  // namespace lathe::nas
