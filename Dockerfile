# The HTTP service: docker build -t keras-portrait . && docker run -p 127.0.0.1:8000:8000 keras-portrait
# The token is in what it prints, or is the one of -e PORTRAIT_SERVE_TOKEN=...
FROM python:3.13-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

WORKDIR /source
COPY setup.py pyproject.toml constraints.txt README.md LICENSE THIRD_PARTY.md ./
COPY keras_portrait keras_portrait
COPY export export
COPY mobile_demo mobile_demo
RUN python -m pip install --no-cache-dir --constraint constraints.txt ".[serve,svg,heif]" \
 && useradd --system --no-create-home portrait

WORKDIR /
USER portrait
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --start-period=20s CMD \
  ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health', timeout=5)"]

# In this form the service itself gets the signal, and finishes what it draws.
ENTRYPOINT ["portrait", "serve", "--host", "0.0.0.0"]
