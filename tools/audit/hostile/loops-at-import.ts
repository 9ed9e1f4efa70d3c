// says: nothing listens | no worker was forked
for (;;);
