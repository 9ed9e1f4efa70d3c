/** How the book looks: light and dark, narrow and wide, on paper. No fonts or pictures from elsewhere. */

const colours = `
:root {
  --paper: #fdfcf9; --leaf: #f5f2eb; --ink: #24262b; --quiet: #63646a; --line: #e0dbd0; --rubric: #a1371f;
  --mono: ui-monospace, "SF Mono", "Cascadia Code", "JetBrains Mono",
    Menlo, Consolas, "DejaVu Sans Mono", monospace;
  --keyword: #8a2f62; --string: #2f6b3a; --number: #8a5a00; --name: #1f5a96; --comment: #6d6f76;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #17181b; --leaf: #202226; --ink: #dcd9d2; --quiet: #9c9a95; --line: #35373c; --rubric: #ee967a;
    --keyword: #e39ac4; --string: #9acb9f; --number: #e0b566; --name: #8fbdf0; --comment: #8f9098;
  }
}`

const page = `
* { box-sizing: border-box }
html { scroll-padding-top: 1.5rem; text-size-adjust: 100%; -webkit-text-size-adjust: 100% }
body {
  margin: 0 auto; padding: 0 1.25rem; max-width: 41rem; background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.65 Charter, "Iowan Old Style", "Palatino Linotype",
    Palatino, "Noto Serif", Georgia, "DejaVu Serif", serif;
  font-kerning: normal; text-rendering: optimizeLegibility; overflow-wrap: break-word;
}
h1, h2, h3, h4, h5 { line-height: 1.2; text-wrap: balance; break-after: avoid; font-weight: 700 }
h1 { margin: 0; font-size: clamp(3rem, 12vw, 5rem); line-height: 1; letter-spacing: -.03em }
h2 { margin: 0; font-size: clamp(1.9rem, 6vw, 2.6rem); letter-spacing: -.015em }
h3 { margin: 3rem 0 .8rem; font-size: 1.4rem }
h4 { margin: 2.2rem 0 .6rem; font-size: 1.12rem }
h5 { margin: 2rem 0 .5rem; font-size: 1rem; font-style: italic }
p, ul, ol, blockquote, pre, .table { margin: 0 0 1.1em }
p { text-wrap: pretty }
ul, ol { padding-left: 1.5em }
li { margin: .3em 0 }
li > ul, li > ol, li > p:last-child { margin-bottom: 0 }
li::marker { color: var(--rubric) }
a { color: inherit; text-decoration: underline var(--rubric) .06em; text-underline-offset: .2em }
a:hover { color: var(--rubric) }
:focus-visible { outline: 2px solid var(--rubric); outline-offset: 3px; border-radius: 2px }
.file { border-bottom: 1px dotted var(--quiet) }
hr { border: 0; height: 1px; background: var(--line); margin: 2.5rem auto; width: 6rem }
blockquote {
  margin-left: 0; padding: .1em 0 .1em 1.2em; border-left: 3px solid var(--rubric); font-style: italic
}
blockquote > :last-child { margin-bottom: 0 }
blockquote em, h5 em { font-style: normal }
code { font: .84em/1.5 var(--mono) }
:not(pre) > code {
  padding: .1em .3em; border-radius: 3px; background: var(--leaf); font-style: normal;
  -webkit-box-decoration-break: clone; box-decoration-break: clone
}
h2 code, h3 code, h4 code { font-size: .88em }
pre {
  position: relative; padding: 1rem 1.2rem; overflow-x: auto; border-radius: 6px; background: var(--leaf);
  tab-size: 2; break-inside: avoid; scrollbar-width: thin;
  font: .8rem/1.55 var(--mono)
}
pre.plain { line-height: 1.2 }
pre code { font: inherit }
.table { overflow-x: auto }
table {
  width: 100%; border-collapse: collapse; font-size: .92em; line-height: 1.45;
  font-variant-numeric: tabular-nums
}
th, td {
  padding: .5em .9em .5em 0; vertical-align: top; text-align: left; border-bottom: 1px solid var(--line)
}
th { border-bottom: 2px solid var(--ink); font-weight: 700 }
th:last-child, td:last-child { padding-right: 0 }
.h-keyword, .h-literal, .h-built_in { color: var(--keyword) }
.h-string, .h-regexp, .h-addition { color: var(--string) }
.h-number, .h-variable.language_, .h-type, .h-title.class_ { color: var(--number) }
.h-title.function_, .h-attr, .h-attribute { color: var(--name) }
.h-comment { color: var(--comment); font-style: italic }
.h-doctag { font-weight: 700 }
.h-subst { color: var(--ink) }`

const parts = `
.kicker {
  margin: 0 0 .6rem; color: var(--rubric); font-size: .8rem; letter-spacing: .12em;
  text-transform: uppercase
}
.cover { padding: clamp(2.5rem, 10vw, 6rem) 0 0 }
.lead { margin: 1.2rem 0 2.5rem; font-size: 1.3rem; line-height: 1.4; color: var(--quiet) }
.owner {
  display: flex; gap: 1.1rem; align-items: center; padding: 1rem 0; border: solid var(--line);
  border-width: 1px 0
}
.owner p { margin: 0; min-width: 0; color: var(--quiet); line-height: 1.35 }
.owner bdi {
  color: var(--ink); font-size: 1.25rem; font-style: italic; display: -webkit-box;
  -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden
}
.bookplate {
  flex: none; width: 4.2rem; fill: var(--rubric); border: 1px solid var(--rubric); border-radius: 3px
}
bdi { overflow-wrap: anywhere }
#origin { min-height: 3.2em; margin: .7rem 0 0; color: var(--quiet); font-size: .9rem; line-height: 1.5 }
nav h2 { margin: 0 0 .8rem; font-size: 1rem; letter-spacing: 0 }
nav { margin: 1.5rem 0 0; font-size: .95rem; line-height: 1.35 }
nav ol { list-style: none; margin: 0; padding: 0 }
nav li { margin: .45em 0 }
nav a { display: block; text-decoration: none }
nav > ol > li > a { display: flex; gap: .8em; font-weight: 700 }
nav b { color: var(--rubric); min-width: 1.1em; text-align: right }
nav li ol { display: none }
nav li ol li { margin: .3em 0 }
nav li ol a { padding-left: 1.9em; color: var(--quiet) }
nav li ol a:hover { color: var(--rubric) }
nav a.here { color: var(--rubric) }
article { margin-top: 5rem; padding-top: 2.5rem; border-top: 1px solid var(--line); counter-reset: section }
article > header { margin-bottom: 2.5rem }
.ornament { margin: 1rem 0 .2rem; color: var(--rubric); letter-spacing: .15em; line-height: 1 }
.progress { margin: .9rem 0 0; color: var(--quiet); font-size: .92rem }
article h3::before {
  counter-increment: section; content: counter(chapter) "." counter(section);
  margin-right: .6em; color: var(--rubric); font-weight: 400; font-variant-numeric: tabular-nums
}
.index { margin-top: 5rem; padding-top: 2.5rem; border-top: 1px solid var(--line) }
.index > p { margin: 1rem 0 2rem; color: var(--quiet) }
.letters { columns: 15rem 2; column-gap: 2.5rem; font-size: .9rem; line-height: 1.45 }
.letters h3 { margin: 0 0 .3rem; font-size: 1.1rem; color: var(--rubric) }
.letters section { margin-bottom: 1.3rem }
.letters h3 + ul > :first-child { break-before: avoid }
.letters ul { list-style: none; margin: 0; padding: 0 }
.letters li { margin: .2em 0; padding-left: 1em; text-indent: -1em; break-inside: avoid }
.letters li > code { text-indent: 0; margin-right: .3em }
.letters a { text-decoration: none; color: var(--quiet); font-variant-numeric: tabular-nums }
.letters a:hover { color: var(--rubric); text-decoration: underline }
footer { margin: 5rem 0 4rem; text-align: center; color: var(--quiet); font-size: .92rem; font-style: italic }
footer p:first-child { color: var(--rubric); font-style: normal; letter-spacing: .15em }
@media (min-width: 66rem) {
  body {
    display: grid; grid-template: auto 1fr / 15rem minmax(0, 41rem); column-gap: 5rem; max-width: 63.5rem
  }
  nav {
    grid-row: 1 / 3; position: sticky; top: 0; align-self: start; max-height: 100vh; margin: 0;
    padding: 6.5rem .5rem 2rem 0; overflow-y: auto; scrollbar-width: thin; font-size: .88rem
  }
  nav li ol { display: block; margin-bottom: 1em }
  .cover, main { grid-column: 2 }
}
@media (min-width: 76rem) { pre { margin-right: -5rem } }
@media print {
  :root {
    --paper: #fff; --leaf: #f6f6f4; --ink: #000; --quiet: #555; --line: #bbb; --rubric: #802810;
    --keyword: #6f2050; --string: #1f5228; --number: #6b4500; --name: #12406e; --comment: #555
  }
  body { display: block; max-width: none; padding: 0; font-size: 10.5pt }
  nav > ol { columns: 2; column-gap: 2rem }
  nav > ol > li { break-inside: avoid }
  nav li ol { display: block; margin-bottom: .8em }
  article, .index { break-before: page; margin-top: 0; padding-top: 0; border: 0 }
  pre { margin-right: 0; white-space: pre-wrap; border: 1px solid var(--line) }
  p, li { orphans: 3; widows: 3 }
  #origin { display: none }
}
@page { margin: 22mm 20mm }`

export const style: string = [colours, page, parts].join('').replace(/\s*\n\s*/g, '\n')
