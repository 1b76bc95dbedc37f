"""The definitions of partners and update rules, and the templates in them."""
