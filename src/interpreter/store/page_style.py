"""How a page about a session looks: light and dark, on a screen and on paper, in Latin and in Chinese letters."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --ground: #f6f7f9; --card: #fff; --ink: #1c2430; --soft: #5b6675; --line: #dfe3e9;
  --accent: #2f6fde; --tint: #eaf1fd; --good: #18794e; --good-tint: #e3f4eb; --bad: #b4232c; --bad-tint: #fbe9ea;
  --warn: #8a5a00; --warn-tint: #fdf2dc; --code: #f3f5f8; --key: #8430b0; --text: #0b6e4f; --number: #a2480a;
  --comment: #6b7686;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "PingFang SC", "Hiragino Sans GB",
    "Microsoft YaHei", "Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Zen Hei", sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", "JetBrains Mono", Menlo, Consolas, "DejaVu Sans Mono",
    "Noto Sans Mono CJK SC", "PingFang SC", "Microsoft YaHei", "WenQuanYi Zen Hei Mono", monospace; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #12161c; --card: #1a2028; --ink: #e3e8ee; --soft: #98a4b3; --line: #2c3540; --accent: #7aa8f7;
    --tint: #1b2a44; --good: #5fd39b; --good-tint: #15301f; --bad: #ff8d92; --bad-tint: #3a1c20; --warn: #f0c069;
    --warn-tint: #33280f; --code: #141a21; --key: #d09bf0; --text: #7fd6b0; --number: #f2a971; --comment: #8390a0; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.6 var(--sans); }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { margin: .25rem 0 .75rem; font-size: 1.7rem; line-height: 1.3; overflow-wrap: anywhere; }
.over { margin: 0; color: var(--soft); font-size: .85rem; letter-spacing: .02em; overflow-wrap: anywhere; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; margin: 1.5rem 0 0; }
.facts div { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; padding: .7rem .9rem; }
.facts dt { color: var(--soft); font-size: .8rem; }
.facts dd { margin: .1rem 0 0; font-size: 1.25rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.facts small { display: block; color: var(--soft); font-size: .78rem; font-weight: 400; line-height: 1.4; }
.where { margin: 1rem 0 0; display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; font-size: .9rem; }
.where dt { color: var(--soft); } .where dd { margin: 0; overflow-wrap: anywhere; }
nav { margin: 1.5rem 0 0; font-size: .95rem; }
nav ol { margin: .3rem 0 0; padding-left: 1.6rem; }
a { color: var(--accent); text-decoration: none; } a:hover { text-decoration: underline; }
.line { margin-top: 2.2rem; padding-left: 1.6rem; border-left: 2px solid var(--line); }
.line > * { position: relative; margin: 0 0 1.1rem; }
.line > *::before { content: ""; position: absolute; left: -2rem; top: 1.05rem; width: .7rem; height: .7rem;
  border-radius: 50%; background: var(--card); border: 2px solid var(--line); }
.request { background: var(--tint); border-radius: .9rem; padding: .8rem 1.1rem; scroll-margin-top: 1rem; }
.request:not(:first-child) { margin-top: 2.4rem; }
.line > .request::before { background: var(--accent); border-color: var(--accent); }
.request p, .words p { margin: .15rem 0 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.words { padding: .55rem 0 .1rem; }
.meta { display: flex; flex-wrap: wrap; gap: .2rem .8rem; align-items: center; color: var(--soft); font-size: .8rem;
  font-variant-numeric: tabular-nums; }
.meta b { color: var(--ink); font-weight: 600; }
.step { background: var(--card); border: 1px solid var(--line); border-radius: .9rem; overflow: hidden; }
.line > .step { overflow: visible; }
.step > .meta { padding: .6rem 1rem; }
.line > .ok::before { border-color: var(--good); background: var(--good); }
.line > .bad::before { border-color: var(--bad); background: var(--bad); }
.badge { border-radius: 1rem; padding: .02rem .6rem; font-weight: 600; background: var(--code); color: var(--soft); }
.badge.ok { background: var(--good-tint); color: var(--good); }
.badge.bad { background: var(--bad-tint); color: var(--bad); }
.badge.warn { background: var(--warn-tint); color: var(--warn); }
pre { margin: 0; padding: .8rem 1rem; overflow: auto; max-height: 32rem; font: .86rem/1.55 var(--mono);
  white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 4; unicode-bidi: isolate; }
pre.code { background: var(--code); border-top: 1px solid var(--line); border-bottom: 1px solid var(--line); }
pre.error { color: var(--bad); }
.label { padding: .55rem 1rem 0; color: var(--soft); font-size: .78rem; }
.label + pre { padding-top: .25rem; }
.k { color: var(--key); } .s { color: var(--text); } .n { color: var(--number); }
.c { color: var(--comment); font-style: italic; }
figure { margin: 0; padding: .6rem 1rem 1rem; overflow: auto; }
figure img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: .5rem; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: right; }
th { color: var(--soft); font-weight: 600; }
ul.told { list-style: none; margin: 0; padding: .4rem 1rem .8rem; color: var(--soft); font-size: .85rem; }
ul.told li { overflow-wrap: anywhere; }
.notice { color: var(--soft); font-size: .88rem; padding: .4rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.notice.bad { background: var(--bad-tint); color: var(--bad); border-radius: .7rem; padding: .6rem 1rem; }
.undone { opacity: .5; } .undone .badge.gone { background: var(--warn-tint); color: var(--warn); }
footer { margin-top: 2.5rem; color: var(--soft); font-size: .8rem; }
@media (max-width: 34rem) { main { padding: 1.4rem .9rem 3rem; } .line { padding-left: 1.1rem; }
  .line > *::before { left: -1.5rem; } .where { grid-template-columns: 1fr; } .where dd { margin-bottom: .4rem; } }
@media print { body { background: #fff; } main { max-width: none; } pre { max-height: none; }
  .step, .request { break-inside: avoid-page; } }
"""
