"""The spine: messages, topics, processes, bus, frame ring, configuration, supervisor, command line."""
