"""Fit pythae's VAE or IWAE in its own environment: `autoencoders.py KIND TRAIN.npy OUT.npz EPOCHS SEED`.

Its default perceptrons (784 - 512 - latent - 512 - 784), 16 latent numbers, its trainer with Adam at 1e-3 and batches
of 100. The weights go to OUT.npz under the names that our own perceptrons have; prints one JSON line.
"""

import json
import os
import sys
import tempfile
import time

os.environ["CUDA_VISIBLE_DEVICES"] = ""
import numpy as np
import torch

LATENT, DRAWS = 16, 50


def main(kind, source, out, epochs, seed):
    from pythae.models import IWAE, VAE, IWAEConfig, VAEConfig
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig

    shared = {"input_dim": (1, 28, 28), "latent_dim": LATENT, "reconstruction_loss": "bce"}
    torch.manual_seed(int(seed))
    model = IWAE(IWAEConfig(**shared, number_samples=DRAWS)) if kind == "iwae" else VAE(VAEConfig(**shared))
    data = np.load(source).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=int(epochs),
            learning_rate=1e-3,
            per_device_train_batch_size=100,
            per_device_eval_batch_size=100,
            no_cuda=True,
            seed=int(seed),
        )
        cpu = time.process_time()
        TrainingPipeline(model=model, training_config=settings)(train_data=data)
        spent = time.process_time() - cpu
    model = model.cpu()
    encoder, decoder = model.encoder, model.decoder
    half = {"weight": encoder.log_var.weight / 2, "bias": encoder.log_var.bias / 2}  # log variance to log scale
    weights = {
        "reader.net.0.weight": encoder.layers[0][0].weight,
        "reader.net.0.bias": encoder.layers[0][0].bias,
        "reader.net.2.weight": torch.cat([encoder.embedding.weight, half["weight"]]),
        "reader.net.2.bias": torch.cat([encoder.embedding.bias, half["bias"]]),
        "writer.net.0.weight": decoder.layers[0][0].weight,
        "writer.net.0.bias": decoder.layers[0][0].bias,
        "writer.net.2.weight": decoder.layers[1][0].weight,
        "writer.net.2.bias": decoder.layers[1][0].bias,
    }
    np.savez(out, **{name: tensor.detach().numpy() for name, tensor in weights.items()})
    print(json.dumps({"fit_cpu": spent, "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
