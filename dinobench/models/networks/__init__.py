"""The Backbone contract and the networks that keep it."""
