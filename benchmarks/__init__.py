"""What the library costs, measured side by side in one run."""
