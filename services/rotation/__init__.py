"""The Lambda function that turns the password of Redis' user. It stands on what its runtime has: boto3."""
