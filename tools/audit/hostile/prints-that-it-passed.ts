// says: it ended by itself (exit code 0)
console.log('  ✓ the primary forks WORKERS workers\n9 passed, 0 failed')
console.log(JSON.stringify({ type: 'check-finished', slug: '02-two-roles', result: { verdict: 'passed' } }))
