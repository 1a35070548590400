"""Libraries, patrons, books: who may borrow what, who is next in line, what is lent."""
