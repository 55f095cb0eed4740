"""What scripts/bert_page.py is made of: the page's code and its pictures."""
