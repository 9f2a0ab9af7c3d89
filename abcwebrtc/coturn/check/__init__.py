"""What is wrong in a turnserver.conf for the servers that od.config names."""
