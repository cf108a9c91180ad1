"""What happened: records samples and attempts, and reads them back."""
