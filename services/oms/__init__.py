"""The order service: takes leader events from the queue and makes each follower's order happen once.

One message's way: `intake` takes it, `journal` plans it and makes the intents durable, `submit` sends
them, `resolve` settles what is in doubt, `executions` adds up what was filled.
"""
