from tests.upstream.fixtures import upstream as upstream
