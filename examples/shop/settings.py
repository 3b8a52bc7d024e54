"""What differs between a laptop and a server."""

import os
from pathlib import Path

FOLDER = Path(os.environ.get("SHOP_FOLDER", "shop-data")).absolute()
SMTP_HOST = os.environ.get("SHOP_SMTP_HOST", "localhost")
SMTP_PORT = int(os.environ.get("SHOP_SMTP_PORT", "25"))
WAREHOUSE = os.environ.get("SHOP_WAREHOUSE", "http://localhost:9000/orders")
