"""What SREs look at: the Streamlit application."""
