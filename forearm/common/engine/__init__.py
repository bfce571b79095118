"""Where jobs run: worker processes of this machine, or a Ray cluster; what they come to is the same on either."""
