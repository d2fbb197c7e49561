"""The light network: predicts order-2 irradiance from the person as a probe and the room around."""
