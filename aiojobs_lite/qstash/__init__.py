"""What the API of QStash is made of: the small languages of its headers and paths, as values that are checked once."""
