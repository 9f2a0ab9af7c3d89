"""turnserver.conf: written, read and compared; certificates; rotation of the secret."""
