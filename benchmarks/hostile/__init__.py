"""A good Inngest app beside a hostile one: each of them, and our server, is a process of its own."""
