from .files import atomic_write as atomic_write
from .files import cache_folder as cache_folder
from .machine import available_bytes as available_bytes
from .machine import workers as workers
from .redaction import hide_password as hide_password
from .redaction import hide_passwords as hide_passwords
from .redaction import passwords_in as passwords_in
from .redaction import real_uri as real_uri
