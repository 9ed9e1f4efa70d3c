/**
 * What the page does in a browser: it marks the section that is being read, and asks which process answers.
 *
 * The second is a request of its own. A browser normally sends it over the connection that brought the page,
 * and a connection stays with its worker; the page says so, instead of claiming more than it can know.
 */

export const script: string = `
const links = [...document.querySelectorAll('nav a')]
const places = new Map(links.map((link) => [document.getElementById(link.hash.slice(1)), link]))
const reading = new IntersectionObserver((entries) => {
  const here = entries.find((entry) => entry.isIntersecting)
  if (here) for (const link of links) link.classList.toggle('here', link === places.get(here.target))
}, { rootMargin: '0px 0px -70% 0px' })
for (const place of places.keys()) if (place) reading.observe(place)
fetch('/').then((answer) => answer.json()).then((who) => {
  if (!Number.isInteger(who.pid)) return
  const process = who.role === 'worker' ? 'worker ' + who.worker + ' (pid ' + who.pid + ')'
    : 'uptimeMs' in who ? 'the single process (pid ' + who.pid + ')' : 'the process with pid ' + who.pid
  const doubt = who.role === 'worker'
    ? ' Your browser asked a second time to learn this, normally over the same connection,'
      + ' and a connection stays with its worker.' : ''
  document.getElementById('origin').textContent = 'This page came from ' + process + '.' + doubt
}).catch(() => {})
`
