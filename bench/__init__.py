"""The figures: `make bench`. One module a bar (bench/p*.py), each printed beside what it is measured against."""
