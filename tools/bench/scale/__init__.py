"""What more workers and more replicas bring, and what they cost. Workers import this, so it imports nothing."""
