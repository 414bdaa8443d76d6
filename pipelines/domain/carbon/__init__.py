"""The carbon ledger: activities of factories and months, statements about them, restatements."""
