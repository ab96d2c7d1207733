"""What commands agree upon with one another. Imports nothing, so that the command line stays quick."""

URL = "http://127.0.0.1:8000"
LOCAL_MODEL = "local/smollm2-135m"
# For machines without the wheels of the local one.
SCRIPTED_MODEL = "scripted/echo"
# Known to everybody: only `synapse dev` makes this account.
DEMO_EMAIL = "demo@example.com"
DEMO_PASSWORD = "synapse-demo"
# A line of `synapse dev` that begins like this ends with the server's address: from now on it answers.
READY = "Synapse is ready at "
