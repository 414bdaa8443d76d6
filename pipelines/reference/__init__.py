"""Factor tables and the KPI catalogue as data, and their one typed reader."""
