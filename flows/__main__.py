"""`digital-cluster-flow`, or `python -m flows`. Nothing is defined here."""

from flows.menu import main

if __name__ == "__main__":
    main()
