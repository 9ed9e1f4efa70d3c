// Shows one slide at a time. It runs in the browser, as a part of the page (tools/slides/document.ts), from a file or
// from a server; without it the page is a text that can be scrolled.
'use strict'
;(() => {
  const page = document.documentElement
  const leaves = [...document.querySelectorAll('.leaf')]
  const stage = document.querySelector('.stage')
  const narrow = matchMedia('(max-width: 700px)')
  const [contents, help] = ['contents', 'help'].map((id) => document.getElementById(id))
  let now = 0
  /** The window with the speaker's notes, if there is one. */
  let desk
  const started = Date.now()

  const inDeck = () => page.classList.contains('deck')
  const answers = (index, hidden = '') => [...leaves[index].querySelectorAll(`.answer${hidden}`)]

  function layOut() {
    page.classList.toggle('deck', !narrow.matches)
    const below = page.classList.contains('speaking') ? Math.round(innerHeight * 0.34) : 0
    page.style.setProperty('--below', `${below}px`)
    page.style.setProperty('--scale', Math.min(innerWidth / 1280, (innerHeight - below) / 720))
    if (inDeck()) fit()
  }

  /** Another font may be wider than the one that was counted with: what does not fit gets smaller. */
  function fit() {
    const body = leaves[now].querySelector('.body')
    if (!body || body.dataset.fit !== undefined) return
    let size = Number(body.style.getPropertyValue('--fit') || 1)
    while (size > 0.5 && overflows(body)) {
      size -= 0.04
      body.style.setProperty('--fit', size.toFixed(2))
    }
    body.dataset.fit = size.toFixed(2)
  }

  function overflows(body) {
    return body.scrollHeight > body.clientHeight + 1 || body.scrollWidth > body.clientWidth + 1
  }

  function show(index, { revealed = false } = {}) {
    now = Math.max(0, Math.min(leaves.length - 1, index))
    for (const [at, leaf] of leaves.entries()) leaf.classList.toggle('now', at === now)
    for (const answer of answers(now)) answer.classList.toggle('hidden', !revealed && inDeck())
    page.style.setProperty('--done', `${(100 * (now + 1)) / leaves.length}%`)
    layOut()
    const { id } = leaves[now].querySelector('.slide')
    try {
      history.replaceState(null, '', `#${id}`)
    } catch {
      // Some browsers refuse that for files.
    }
    tellDesk()
  }

  function forward() {
    const [next] = answers(now, '.hidden')
    if (next) next.classList.remove('hidden')
    else if (now < leaves.length - 1) show(now + 1)
  }

  function goToHash() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)))
    const leaf = target?.closest('.leaf')
    if (leaf && inDeck()) show(leaves.indexOf(leaf))
    else if (!leaf && inDeck()) show(now)
    else target?.scrollIntoView()
  }

  function toggleTheme() {
    const isDark = page.dataset.theme
      ? page.dataset.theme === 'dark'
      : matchMedia('(prefers-color-scheme: dark)').matches
    page.dataset.theme = isDark ? 'light' : 'dark'
    remember('every-core-theme', page.dataset.theme)
  }

  function toggleNotes() {
    page.classList.toggle('speaking')
    layOut()
  }

  function toggleFullScreen() {
    if (document.fullscreenElement) void document.exitFullscreen()
    else void page.requestFullscreen?.()
  }

  /** A second window: notes, the next slide, the time. It has the page's origin, so that a file can fill it, too. */
  function openDesk() {
    desk = window.open('', 'every-core-notes', 'width=760,height=680')
    if (!desk) return toggleNotes()
    desk.document.title = `Notes · ${document.title}`
    desk.document.head.innerHTML = `<style>${document.querySelector('style').textContent}</style>`
    desk.document.body.innerHTML =
      '<div style="padding:20px 28px"><p class="within" id="where"></p><h2 id="what" style="line-height:1.3"></h2><div class="notes" id="text"></div></div>'
    desk.document.documentElement.dataset.theme = page.dataset.theme ?? ''
    desk.onkeydown = onKey
    tellDesk()
  }

  function tellDesk() {
    if (!desk || desk.closed) return
    const leaf = leaves[now]
    const minutes = Math.floor((Date.now() - started) / 60_000)
    const next = leaves[now + 1]?.getAttribute('aria-label') ?? 'the end'
    desk.document.getElementById('where').textContent =
      `${now + 1} of ${leaves.length} · ${minutes} min · next: ${next}`
    desk.document.getElementById('what').textContent = leaf.getAttribute('aria-label')
    desk.document.getElementById('text').innerHTML = leaf.querySelector('.notes')?.innerHTML ?? ''
  }

  function remember(key, value) {
    try {
      localStorage.setItem(key, value)
    } catch {
      // Storage may be closed to files.
    }
  }

  function recalled(key) {
    try {
      return localStorage.getItem(key)
    } catch {
      return null
    }
  }

  function openContents() {
    const list = contents.querySelector('ol')
    list.replaceChildren(
      ...leaves.map((leaf, index) => {
        const link = document.createElement('a')
        link.href = `#${leaf.querySelector('.slide').id}`
        link.textContent = leaf.getAttribute('aria-label')
        const item = document.createElement('li')
        item.classList.toggle('now', index === now)
        item.append(link)
        return item
      }),
    )
    contents.showModal()
    list.querySelector('.now a')?.focus()
  }

  const keys = {
    ArrowRight: forward,
    ArrowDown: forward,
    PageDown: forward,
    ' ': forward,
    Enter: forward,
    ArrowLeft: () => show(now - 1, { revealed: true }),
    ArrowUp: () => show(now - 1, { revealed: true }),
    PageUp: () => show(now - 1, { revealed: true }),
    Backspace: () => show(now - 1, { revealed: true }),
    Home: () => show(0),
    End: () => show(leaves.length - 1),
    f: toggleFullScreen,
    s: toggleNotes,
    n: openDesk,
    d: toggleTheme,
    o: openContents,
    p: () => window.print(),
    '?': () => help.showModal(),
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key
    const isControl = event.target instanceof Element && event.target.matches('a, button, summary')
    if (isControl && (name === 'Enter' || name === ' ')) return
    const act =
      name === ' ' && event.shiftKey ? keys.ArrowLeft : Object.hasOwn(keys, name) ? keys[name] : undefined
    if (act === undefined || (!inDeck() && !'sdop?f'.includes(name))) return
    event.preventDefault()
    act()
  }

  let touch
  stage.addEventListener(
    'touchstart',
    (event) => {
      touch = event.touches.length === 1 ? event.touches[0] : undefined
    },
    { passive: true },
  )
  stage.addEventListener(
    'touchend',
    (event) => {
      if (!touch || !inDeck()) return
      const end = event.changedTouches[0]
      const [x, y] = [end.clientX - touch.clientX, end.clientY - touch.clientY]
      if (Math.abs(x) < 50 || Math.abs(x) < Math.abs(y) * 1.5) return
      if (x < 0) forward()
      else show(now - 1, { revealed: true })
    },
    { passive: true },
  )
  stage.addEventListener('click', (event) => {
    event.target.closest('.answer.hidden')?.classList.remove('hidden')
  })
  document.querySelector('.bar').addEventListener('click', (event) => {
    const key = event.target.closest('button')?.dataset.key
    if (key) keys[key]()
  })
  for (const dialog of [contents, help]) {
    dialog.addEventListener('click', (event) => {
      if (event.target === dialog || event.target.closest('a, button')) dialog.close()
    })
  }
  document.addEventListener('keydown', onKey)
  addEventListener('hashchange', goToHash)
  addEventListener('resize', layOut)
  narrow.addEventListener('change', () => {
    layOut()
    show(now)
  })
  const theme = recalled('every-core-theme')
  if (theme === 'dark' || theme === 'light') page.dataset.theme = theme
  layOut()
  goToHash()
  if (!leaves.some((leaf) => leaf.classList.contains('now'))) show(0)
})()
