// SPDX-License-Identifier: Apache-2.0
// The style sheet of report pages: light and dark, one column on a phone.
#pragma once

namespace graft::report {

inline constexpr const char* kStyle = R"css(
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --text: #1b2330; --soft: #5b6675; --rule: #e3e7ec; --axis: #9aa4b1;
  --s0: #2563c9; --s1: #d9640f; --s2: #12875a; --s3: #8b46c9; --s4: #c42b4b; --s5: #0b8296; --s6: #8a6a1f; --s7: #5f6b7a;
  --s8: #b0409b; --s9: #5a8f1d; --s10: #3f51b5; --s11: #a0522d;
  --p0: #e8a33d; --p1: #b5722a; --p2: #6fa8e8; --p3: #2b5fb0; --p4: #8b6cc9; --p5: #55a87c; --p6: #a9b3bf; --p7: #d2d8df;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #11161d; --card: #1a212b; --text: #e6eaf0; --soft: #9aa6b5; --rule: #2c3642; --axis: #6a7686;
    --s0: #6ea6ff; --s1: #ff9d4d; --s2: #48cf9a; --s3: #c79bff; --s4: #ff7d95; --s5: #46cfe3; --s6: #dcbb62; --s7: #a6b1bf;
    --s8: #f08fe0; --s9: #a5d65f; --s10: #9fa8ff; --s11: #e0986f;
    --p0: #f0b557; --p1: #b98043; --p2: #86b8f0; --p3: #4479cf; --p4: #a88be0; --p5: #6cc295; --p6: #76828f; --p7: #4c5764;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 16px 48px; max-width: 1320px; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0; }
h2 { font-size: 1.15rem; margin: 36px 0 4px; }
h3 { font-size: 0.95rem; margin: 0 0 6px; font-weight: 600; }
p { margin: 4px 0 12px; max-width: 100ch; }
.soft { color: var(--soft); font-size: 0.9rem; }
.findings { margin: 16px 0 0; padding: 0; list-style: none; }
.findings li { padding: 8px 14px; margin: 6px 0; background: var(--card); border-left: 4px solid; border-radius: 4px; }
.grid-of-cards { display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 370px), 1fr)); }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 14px 14px 8px; min-width: 0; }
.card svg { display: block; width: 100%; height: auto; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 4px 0 12px; padding: 0; list-style: none; font-size: 0.9rem; }
.legend li { display: flex; align-items: center; gap: 7px; }
span.swatch { width: 20px; height: 0; border-top: 3px solid; flex: none; }
span.swatch.dashed { border-top-style: dashed; }
.box { width: 12px; height: 12px; border-radius: 3px; flex: none; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 8px 11px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
th { font-weight: 600; color: var(--soft); font-size: 0.85rem; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
td small { display: block; color: var(--soft); }
details { margin-top: 10px; }
summary { cursor: pointer; }
pre { overflow-x: auto; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 12px; font-size: 0.82rem; }
.grid { stroke: var(--rule); stroke-width: 1; }
.axis { stroke: var(--axis); stroke-width: 1; }
.tick { fill: var(--soft); font-size: 12.5px; font-variant-numeric: tabular-nums; }
.halo { stroke: var(--card); stroke-width: 4; paint-order: stroke; }
.label { fill: var(--text); font-size: 13px; }
.reference { stroke: var(--soft); stroke-width: 1.2; stroke-dasharray: 2 4; }
.line { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
.dashed { stroke-dasharray: 6 5; }
.band { opacity: 0.14; }
.line.c0 { stroke: var(--s0); } .dot.c0, .band.c0 { fill: var(--s0); } .swatch.c0 { border-color: var(--s0); }
.line.c1 { stroke: var(--s1); } .dot.c1, .band.c1 { fill: var(--s1); } .swatch.c1 { border-color: var(--s1); }
.line.c2 { stroke: var(--s2); } .dot.c2, .band.c2 { fill: var(--s2); } .swatch.c2 { border-color: var(--s2); }
.line.c3 { stroke: var(--s3); } .dot.c3, .band.c3 { fill: var(--s3); } .swatch.c3 { border-color: var(--s3); }
.line.c4 { stroke: var(--s4); } .dot.c4, .band.c4 { fill: var(--s4); } .swatch.c4 { border-color: var(--s4); }
.line.c5 { stroke: var(--s5); } .dot.c5, .band.c5 { fill: var(--s5); } .swatch.c5 { border-color: var(--s5); }
.line.c6 { stroke: var(--s6); } .dot.c6, .band.c6 { fill: var(--s6); } .swatch.c6 { border-color: var(--s6); }
.line.c7 { stroke: var(--s7); } .dot.c7, .band.c7 { fill: var(--s7); } .swatch.c7 { border-color: var(--s7); }
.line.c8 { stroke: var(--s8); } .dot.c8, .band.c8 { fill: var(--s8); } .swatch.c8 { border-color: var(--s8); }
.line.c9 { stroke: var(--s9); } .dot.c9, .band.c9 { fill: var(--s9); } .swatch.c9 { border-color: var(--s9); }
.line.c10 { stroke: var(--s10); } .dot.c10, .band.c10 { fill: var(--s10); } .swatch.c10 { border-color: var(--s10); }
.line.c11 { stroke: var(--s11); } .dot.c11, .band.c11 { fill: var(--s11); } .swatch.c11 { border-color: var(--s11); }
.swatch.plain { border-color: var(--soft); }
.part { stroke: var(--card); stroke-width: 1; }
.part.p0 { fill: var(--p0); } .part.p1 { fill: var(--p1); } .part.p2 { fill: var(--p2); } .part.p3 { fill: var(--p3); }
.part.p4 { fill: var(--p4); } .part.p5 { fill: var(--p5); } .part.p6 { fill: var(--p6); } .part.p7 { fill: var(--p7); }
.box.p0 { background: var(--p0); } .box.p1 { background: var(--p1); } .box.p2 { background: var(--p2); } .box.p3 { background: var(--p3); }
.box.p4 { background: var(--p4); } .box.p5 { background: var(--p5); } .box.p6 { background: var(--p6); } .box.p7 { background: var(--p7); }
.strip { display: flex; flex-wrap: wrap; gap: 8px; margin: 0 0 12px; padding: 0; list-style: none; }
.strip li { font-size: 0.75rem; color: var(--soft); text-align: center; line-height: 1.3; }
.strip img { display: block; width: 72px; height: 72px; border-radius: 6px; image-rendering: pixelated; margin: 0 auto 2px; }
@media print { body { background: #fff; } .card { break-inside: avoid; } }
)css";

}  // namespace graft::report
