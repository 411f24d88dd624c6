"""What WhatsApp, Instagram and Messenger share: Meta's signature, handshake, error envelope and JSON habits."""
