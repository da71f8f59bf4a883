"""What a person does in a browser, against a real web process and a database of its own."""
