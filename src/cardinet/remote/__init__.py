"""What is fetched from other machines: whether they answer, and the client of the Hugging Face Hub."""
