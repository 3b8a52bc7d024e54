"""The Inngest protocol: official SDKs, unchanged, driven by a runner."""
