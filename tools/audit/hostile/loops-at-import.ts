// says: the event loop of its first process is blocked
for (;;);
