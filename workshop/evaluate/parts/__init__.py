"""The proof of the parts: hands, hair, skin and worn clothes, beside the network that they come from."""
